-- Gives chosen open letters up, oldest failures first. Served by
-- dead_letters_open, dead_letters_pkey for ids. The choice is made once, whatever
-- plan the update gets.
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
        and state = 'open' and (leased_until is null or leased_until < now())
    order by failed_at, id
    limit $10
    for update skip locked
)
update dead_letters d
set state = 'discarded', changed_by = $8, changed_at = now(), reason = $9
from chosen
where d.id = chosen.id
