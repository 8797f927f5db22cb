-- How polling stands, unless the row was removed meanwhile. Served by
-- subreddit_status_pkey.
insert into subreddit_status as s (
    name, state, last_poll_at, next_poll_at, effective_interval_seconds,
    posts_per_minute, last_error, gaps)
select lower(c.name), $2, $3, $4, $5, $6, $7, $8
from subreddit_config c
where lower(c.name) = lower($1)
on conflict (name) do update set
    state = excluded.state,
    last_poll_at = coalesce(excluded.last_poll_at, s.last_poll_at),
    next_poll_at = excluded.next_poll_at,
    effective_interval_seconds = excluded.effective_interval_seconds,
    posts_per_minute = coalesce(excluded.posts_per_minute, s.posts_per_minute),
    last_error = excluded.last_error,
    gaps = excluded.gaps,
    updated_at = now()
