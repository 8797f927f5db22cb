-- Those of these readings that are the newest of their posts, as they are stored:
-- after a replay the upsert changes nothing, but they must be announced all the
-- same. Served by posts_pkey.
select p.id, p.subreddit, p.title, p.author, p.url, p.permalink, p.flair, p.is_self, p.over_18,
    p.created_at, p.observed_at, p.score, p.num_comments, p.upvote_ratio, p.state,
    p.velocity, p.comment_velocity, p.sentiment, p.trend
from unnest($1::text[], $2::timestamptz[]) as r (id, observed_at)
join posts p on p.id = r.id and p.observed_at = r.observed_at
