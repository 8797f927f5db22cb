-- All rows with their status, by name. Small: one row a subreddit.
select c.name, c.interval_seconds, c.priority, c.is_active, c.added_by, c.created_at, c.updated_at, c.version,
    s.state, s.last_poll_at, s.next_poll_at, s.effective_interval_seconds, s.posts_per_minute,
    s.last_error, s.gaps
from subreddit_config c
left join subreddit_status s on s.name = lower(c.name)
order by lower(c.name)
