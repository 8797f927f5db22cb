-- A page of dead letters, last failures first. Served by dead_letters_failed,
-- dead_letters_open for open ones.
select id, state, topic, "partition", "offset", stage, class, message, consumer_group, app_version,
    first_failed_at, failed_at, replays, length(key) + length(value), changed_by, changed_at, reason
from dead_letters
where
    ($1::text is null or state = $1)
    and ($2::text is null or topic = $2)
    and ($3::text is null or stage = $3)
    and ($4::text is null or class = $4)
    and ($5::timestamptz is null or failed_at >= $5)
    and ($6::timestamptz is null or failed_at < $6)
    and ($7::timestamptz is null or (failed_at, id) < ($7, $8))
order by failed_at desc, id desc
limit $9
