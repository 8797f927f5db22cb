-- All rows with their status and newest gap, by name. Small: one row a subreddit,
-- and one step into subreddit_gaps_pkey for each that has gaps.
select c.name, c.interval_seconds, c.priority, c.is_active, c.added_by, c.created_at, c.updated_at, c.version,
    s.state, s.last_poll_at, s.next_poll_at, s.effective_interval_seconds, s.posts_per_minute,
    s.last_error, s.gaps, s.covered_until, s.rate_posts, s.rate_minutes,
    g.gap_from, g.gap_to, g.noticed_at, g.reason
from subreddit_config c
left join subreddit_status s on s.name = lower(c.name)
left join lateral (
    select * from subreddit_gaps
    where s.gaps > 0 and subreddit = s.name
    order by gap_to desc, gap_from desc
    limit 1
) g on true
order by lower(c.name)
