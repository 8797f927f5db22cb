-- Adds what was learnt to the cells. Served by baselines_pkey. The caller sorts
-- the rows by key, so that concurrent writers take their locks in one order.
insert into baselines as b (subreddit, age_bucket, day, seconds, comments)
select subreddit, age_bucket, day, seconds::bigint[], comments
from unnest($1::text[], $2::text[], $3::date[], $4::text[], $5::bigint[])
    as r (subreddit, age_bucket, day, seconds, comments)
on conflict (subreddit, age_bucket, day) do update set
    seconds = add_elements(b.seconds, excluded.seconds),
    comments = b.comments + excluded.comments
