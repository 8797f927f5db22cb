-- Posts of each subreddit, most first. Reads all of posts.
select min(subreddit), count(*), max(score)
from posts
group by lower(subreddit)
order by count(*) desc, lower(min(subreddit))
limit 50
