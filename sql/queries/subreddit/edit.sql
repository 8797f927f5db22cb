-- An edit of the version that the editor saw (0: any). Served by
-- subreddit_config_name.
update subreddit_config set
    interval_seconds = coalesce($3, interval_seconds),
    priority = coalesce($4, priority),
    is_active = coalesce($5, is_active)
where lower(name) = lower($1) and ($2 = 0 or version = $2)
returning name
