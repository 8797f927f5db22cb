-- Removes the version that the remover saw (0: any); its status and its gaps go
-- with it. Served by subreddit_config_name.
delete from subreddit_config
where lower(name) = lower($1) and ($2 = 0 or version = $2)
returning name
