-- Forgets the posts that nobody has read since. Served by posts_pkey.
delete from trending_posts t
where not exists (select from posts p where p.id = t.post_id and p.trend is not null and p.observed_at >= $1)
