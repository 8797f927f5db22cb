-- Removes the version that the remover saw (0: any) with its status. Served by
-- subreddit_config_name.
with removed as (
    delete from subreddit_config
    where lower(name) = lower($1) and ($2 = 0 or version = $2)
    returning name
), status as (
    delete from subreddit_status where name in (select lower(name) from removed)
)
select name from removed
