-- Open letters by class, most first. Served by dead_letters_open.
select class, count(*)
from dead_letters
where
    state = 'open'
    and ($1::text is null or topic = $1)
    and ($2::text is null or stage = $2)
    and ($3::text is null or class = $3)
    and ($4::timestamptz is null or failed_at >= $4)
    and ($5::timestamptz is null or failed_at < $5)
group by class
order by count(*) desc, class
limit 50
