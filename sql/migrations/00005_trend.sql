-- What is unusual about a post, and what is usual.

-- +goose Up
alter table posts
    add column sentiment double precision, -- of the title, -1 to 1
    add column trend     jsonb;            -- null while the post does not trend

-- The posts whose newest reading says that they trend: an index of posts.trend
-- would take HOT updates away from all others. Whoever reads it joins posts, which
-- decides.
create table trending_posts (
    post_id text primary key
);

-- How posts of one age in one subreddit moved on one UTC day. Cells add up over
-- days; '' is all subreddits together.
create table baselines (
    subreddit  text     not null, -- lower case
    age_bucket text     not null, -- '1-3h'
    day        date     not null,
    seconds    bigint[] not null, -- post-seconds by step of velocity
    comments   bigint   not null, -- gained in that time
    primary key (subreddit, age_bucket, day)
) with (fillfactor = 70);

-- Adds two arrays of any length, element by element.
-- +goose StatementBegin
create function add_elements(a bigint[], b bigint[]) returns bigint[]
language sql immutable parallel safe as $$
    select array_agg(coalesce(x, 0) + coalesce(y, 0) order by i)
    from unnest(a, b) with ordinality as t (x, y, i)
$$;
-- +goose StatementEnd

-- +goose Down
drop table baselines;
drop function add_elements(bigint[], bigint[]);
drop table trending_posts;
alter table posts drop column sentiment, drop column trend;
