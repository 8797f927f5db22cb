-- Forgets those of these posts that don't trend by their newest reading. Served
-- by trending_posts_pkey and posts_pkey.
delete from trending_posts t
using posts p
where t.post_id = any ($1::text[]) and p.id = t.post_id and p.trend is null
