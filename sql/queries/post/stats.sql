-- Counts for the overview. Counting posts and subreddits reads posts_subreddit;
-- the last hour is served by posts_first_stored and post_history_observed.
select
    (select count(*) from posts),
    (select count(distinct lower(subreddit)) from posts),
    (select count(*) from posts where first_stored_at > now() - interval '1 hour'),
    (select count(*) from post_history where observed_at > now() - interval '1 hour'),
    (select max(observed_at) from post_history)
