-- A page in the order -score. No index may hold a score: sorts what the filter
-- leaves, keeping only the page.
select p.id, p.subreddit, p.title, p.author, p.url, p.permalink, p.flair, p.is_self, p.over_18,
    p.created_at, p.observed_at, p.score, p.num_comments, p.upvote_ratio, p.state,
    p.velocity, p.comment_velocity, p.sentiment, p.trend
from posts p
where
    ($1::text[] is null or lower(p.subreddit) = any ($1))
    and ($2::text is null or to_tsvector('simple', p.title) @@ plainto_tsquery('simple', $2))
    and ($3::bigint is null or p.score >= $3)
    and ($4::double precision is null or p.velocity >= $4)
    and ($5::timestamptz is null or p.observed_at >= $5)
    and ($6::timestamptz is null or p.observed_at < $6)
    and ($7::double precision is null or (p.score, p.id) < ($7, $8))
order by p.score desc, p.id desc
limit $9
