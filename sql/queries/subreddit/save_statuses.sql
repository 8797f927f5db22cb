-- How polling stands, for rows that are still configured. What is null and was
-- known before stays. Served by subreddit_status_pkey, or one pass over the
-- table where most of it changes.
update subreddit_status s set
    state = n.state,
    last_poll_at = coalesce(n.last_poll_at, s.last_poll_at),
    next_poll_at = n.next_poll_at,
    effective_interval_seconds = n.effective_interval_seconds,
    posts_per_minute = coalesce(n.posts_per_minute, s.posts_per_minute),
    last_error = n.last_error,
    covered_until = coalesce(n.covered_until, s.covered_until),
    rate_posts = n.rate_posts,
    rate_minutes = n.rate_minutes,
    updated_at = now()
from unnest(
    $1::text[], $2::text[], $3::timestamptz[], $4::timestamptz[], $5::double precision[],
    $6::double precision[], $7::text[], $8::timestamptz[], $9::double precision[],
    $10::double precision[]
) as n (name, state, last_poll_at, next_poll_at, effective_interval_seconds,
    posts_per_minute, last_error, covered_until, rate_posts, rate_minutes)
where s.name = lower(n.name)
