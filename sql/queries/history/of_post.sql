-- The newest readings of one post. Served by post_history_pkey.
select observed_at, score, num_comments, upvote_ratio, velocity
from post_history
where post_id = $1
order by observed_at desc
limit $2
