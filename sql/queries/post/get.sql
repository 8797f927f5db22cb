-- One post. Served by posts_pkey.
select id, subreddit, title, author, url, permalink, flair, is_self, over_18,
    created_at, observed_at, score, num_comments, upvote_ratio, state,
    velocity, comment_velocity, sentiment, trend
from posts
where id = $1
