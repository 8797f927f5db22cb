-- What an act on chosen letters would meet: how many there are of each state,
-- class, whether they were sent too often, and without a key. Served by dead_letters_pkey for ids.
select state, class, replays >= $8, length(key) = 0, count(*)
from dead_letters
where
    ($1::text[] is null or id = any ($1))
    and ($2::text is null or state = $2)
    and ($3::text is null or topic = $3)
    and ($4::text is null or stage = $4)
    and ($5::text is null or class = $5)
    and ($6::timestamptz is null or failed_at >= $6)
    and ($7::timestamptz is null or failed_at < $7)
group by 1, 2, 3, 4
order by 5 desc, 2
