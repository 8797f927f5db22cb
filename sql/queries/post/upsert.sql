-- Newest readings into posts: an older or equal one changes nothing.
-- Served by posts_pkey. The caller sorts the rows by id, so that concurrent
-- batches take their locks in one order.
insert into posts as p (
    id, subreddit, title, author, url, permalink, flair, is_self, over_18,
    created_at, observed_at, score, num_comments, upvote_ratio, state,
    velocity, comment_velocity, sentiment, trend)
select * from unnest(
    $1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[],
    $7::text[], $8::boolean[], $9::boolean[], $10::timestamptz[],
    $11::timestamptz[], $12::bigint[], $13::bigint[], $14::double precision[],
    $15::text[], $16::double precision[], $17::double precision[],
    $18::double precision[], $19::jsonb[])
on conflict (id) do update set
    subreddit = excluded.subreddit, title = excluded.title, author = excluded.author,
    url = excluded.url, permalink = excluded.permalink, flair = excluded.flair,
    is_self = excluded.is_self, over_18 = excluded.over_18,
    created_at = excluded.created_at, observed_at = excluded.observed_at,
    score = excluded.score, num_comments = excluded.num_comments,
    upvote_ratio = coalesce(excluded.upvote_ratio, p.upvote_ratio), state = excluded.state,
    velocity = excluded.velocity, comment_velocity = excluded.comment_velocity,
    sentiment = excluded.sentiment, trend = excluded.trend
where p.observed_at < excluded.observed_at
returning id
