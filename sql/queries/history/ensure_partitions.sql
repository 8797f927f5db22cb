-- Makes the partitions of these UTC days unless they are there.
select ensure_history_partition(day) from unnest($1::date[]) as day order by day
