-- All cells from a day on, those of one place together. Served by baselines_pkey.
select subreddit, age_bucket, day, seconds, comments
from baselines
where day >= $1
order by subreddit, age_bucket, day
