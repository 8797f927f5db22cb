-- A subreddit's newest gaps: one row of nulls where it has none, no row where it
-- is not configured. Served by subreddit_config_name and subreddit_gaps_pkey.
select c.name, g.gap_from, g.gap_to, g.noticed_at, g.reason
from subreddit_config c
left join lateral (
    select * from subreddit_gaps
    where subreddit = lower(c.name)
    order by gap_to desc, gap_from desc
    limit $2
) g on true
where lower(c.name) = lower($1)
order by g.gap_to desc, g.gap_from desc
