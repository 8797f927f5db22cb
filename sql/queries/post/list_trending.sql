-- The posts that trend, in no order: a few in a hundred of those that are read.
-- Served by posts_pkey.
select p.id, p.subreddit, p.title, p.author, p.url, p.permalink, p.flair, p.is_self, p.over_18,
    p.created_at, p.observed_at, p.score, p.num_comments, p.upvote_ratio, p.state,
    p.velocity, p.comment_velocity, p.sentiment, p.trend
from trending_posts t
join posts p on p.id = t.post_id
where
    p.trend is not null
    and ($1::text[] is null or lower(p.subreddit) = any ($1))
    and ($2::text is null or to_tsvector('simple', p.title) @@ plainto_tsquery('simple', $2))
    and ($3::bigint is null or p.score >= $3)
    and ($4::double precision is null or p.velocity >= $4)
    and ($5::timestamptz is null or p.observed_at >= $5)
    and ($6::timestamptz is null or p.observed_at < $6)
limit $7
