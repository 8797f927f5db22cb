-- Takes open letters to be sent again, oldest failures first: nobody else takes
-- them until the lease ends. Served by dead_letters_open, dead_letters_pkey for
-- ids. The choice is made once, whatever plan the update gets.
with chosen as materialized (
    select id
    from dead_letters
    where
        ($1::text[] is null or id = any ($1))
        and ($2::text is null or state = $2)
        and ($3::text is null or topic = $3)
        and ($4::text is null or stage = $4)
        and ($5::text is null or class = $5)
        and ($6::timestamptz is null or failed_at >= $6)
        and ($7::timestamptz is null or failed_at < $7)
        and state = 'open' and class <> 'foreign' and length(key) > 0 and replays < $8
        and (leased_until is null or leased_until < now())
        and id <> all ($11::text[])
    order by failed_at, id
    limit $10
    for update skip locked
)
update dead_letters d
set leased_until = now() + $9::interval
from chosen
where d.id = chosen.id
returning d.id, d.state, d.topic, d."partition", d."offset", d.stage, d.class, d.message, d.consumer_group,
    d.app_version, d.first_failed_at, d.failed_at, d.replays, length(d.key) + length(d.value), d.changed_by,
    d.changed_at, d.reason, d.key, d.value, d.headers
