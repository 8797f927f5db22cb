-- Gaps of subreddits that are still configured, and their count, which grows
-- only by those that are new. Served by subreddit_gaps_pkey and
-- subreddit_status_pkey.
with given as (
    select s.name, g.gap_from, g.gap_to, g.noticed_at, g.reason
    from unnest($1::text[], $2::timestamptz[], $3::timestamptz[], $4::timestamptz[], $5::text[])
        as g (name, gap_from, gap_to, noticed_at, reason)
    join subreddit_status s on s.name = lower(g.name)
    for key share of s -- one that is being removed is waited for, then left out
), added as (
    insert into subreddit_gaps (subreddit, gap_from, gap_to, noticed_at, reason)
    select * from given
    on conflict do nothing
    returning subreddit
)
update subreddit_status s set gaps = s.gaps + a.gaps
from (select subreddit, count(*) as gaps from added group by subreddit) a
where s.name = a.subreddit
