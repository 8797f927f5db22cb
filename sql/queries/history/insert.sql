-- Readings into the history; one that is there stays as it is.
-- Served by post_history_pkey. Rows are sorted by post and time.
insert into post_history (
    post_id, observed_at, score, num_comments, upvote_ratio, velocity, comment_velocity)
select * from unnest(
    $1::text[], $2::timestamptz[], $3::bigint[], $4::bigint[],
    $5::double precision[], $6::double precision[], $7::double precision[])
on conflict (post_id, observed_at) do nothing
