-- A new row; none where the name is taken, case ignored.
insert into subreddit_config (name, interval_seconds, priority, is_active, added_by)
values ($1, $2, $3, $4, $5)
on conflict do nothing
returning name
