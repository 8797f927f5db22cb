-- The newest live posts, as much of them as says when to read them again.
-- Served by posts_created.
select id, subreddit, created_at, observed_at, score, num_comments, velocity
from posts
where created_at >= $1 and state = 'live'
order by created_at desc, id desc
limit $2
