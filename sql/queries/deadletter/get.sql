-- One dead letter with its bytes. Served by dead_letters_pkey.
select id, state, topic, "partition", "offset", stage, class, message, consumer_group, app_version,
    first_failed_at, failed_at, replays, length(key) + length(value), changed_by, changed_at, reason,
    key, value, headers
from dead_letters
where id = $1
