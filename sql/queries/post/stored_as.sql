-- Which of these readings are the newest of their posts: after a replay the
-- upsert changes nothing, but they must be announced all the same.
-- Served by posts_pkey.
select p.id
from unnest($1::text[], $2::timestamptz[]) as r (id, observed_at)
join posts p on p.id = r.id and p.observed_at = r.observed_at
