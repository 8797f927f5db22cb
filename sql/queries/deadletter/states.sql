-- Letters by state. Counts all of them: they are few, or something is wrong.
select state, count(*) from dead_letters group by state
