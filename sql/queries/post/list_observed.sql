-- A page in the order -observed_at. Served by post_history_observed: walks the
-- newest readings and keeps those that are still the newest of their post.
select p.id, p.subreddit, p.title, p.author, p.url, p.permalink, p.flair, p.is_self, p.over_18,
    p.created_at, p.observed_at, p.score, p.num_comments, p.upvote_ratio, p.state,
    p.velocity, p.comment_velocity, p.sentiment, p.trend
from post_history h
-- Apart (offset 0), so that the planner expects one post a reading: it takes the
-- two equalities of a plain join for rare, and sorts everything instead.
cross join lateral (
    select * from posts where id = h.post_id and observed_at = h.observed_at offset 0
) p
where
    ($1::text[] is null or lower(p.subreddit) = any ($1))
    and ($2::text is null or to_tsvector('simple', p.title) @@ plainto_tsquery('simple', $2))
    and ($3::bigint is null or p.score >= $3)
    and ($4::double precision is null or p.velocity >= $4)
    and ($5::timestamptz is null or p.observed_at >= $5)
    and ($6::timestamptz is null or p.observed_at < $6)
    and ($7::timestamptz is null or (h.observed_at, h.post_id) < ($7, $8))
order by h.observed_at desc, h.post_id desc
limit $9
