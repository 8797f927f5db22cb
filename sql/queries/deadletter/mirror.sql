-- Mirrors dead letters. The same one again changes nothing; one that failed again
-- after a replay is open again; its bytes are those of the first time. Served by
-- dead_letters_pkey. Rows are sorted by id and distinct.
insert into dead_letters as d (
    id, topic, "partition", "offset", stage, class, message, consumer_group, app_version,
    first_failed_at, failed_at, failure, replays, key, value, headers)
select id, topic, "partition", "offset", stage, class, message, consumer_group, app_version,
    first_failed_at, failed_at, replays, replays, key, value, headers
from unnest(
    $1::text[], $2::text[], $3::integer[], $4::bigint[], $5::text[], $6::text[], $7::text[],
    $8::text[], $9::text[], $10::timestamptz[], $11::timestamptz[], $12::integer[],
    $13::bytea[], $14::bytea[], $15::jsonb[])
    as r (id, topic, "partition", "offset", stage, class, message, consumer_group, app_version,
        first_failed_at, failed_at, replays, key, value, headers)
on conflict (id) do update set
    state = 'open', topic = excluded.topic, "partition" = excluded."partition",
    "offset" = excluded."offset", stage = excluded.stage, class = excluded.class,
    message = excluded.message, consumer_group = excluded.consumer_group,
    app_version = excluded.app_version, failed_at = excluded.failed_at,
    failure = excluded.failure, replays = greatest(d.replays, excluded.replays)
where d.failure < excluded.failure
