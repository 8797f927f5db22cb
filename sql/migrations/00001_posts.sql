-- Posts and their readings.
--
-- posts is updated with every reading, so no index holds a column that changes
-- with one: such an index takes away HOT updates and halves the write rate.
-- post_history is partitioned by the UTC day of the reading; partitions are made
-- by ensure_history_partition before rows of that day arrive.

-- +goose Up
create table posts (
    id               text primary key,
    subreddit        text             not null,
    title            text             not null,
    author           text             not null,
    url              text             not null,
    permalink        text             not null,
    flair            text,
    is_self          boolean          not null,
    over_18          boolean          not null,
    created_at       timestamptz      not null,
    observed_at      timestamptz      not null,
    score            bigint           not null,
    num_comments     bigint           not null,
    upvote_ratio     double precision,
    state            text             not null check (state in ('live', 'removed', 'deleted', 'gone')),
    velocity         double precision, -- points per minute, null while unknown
    comment_velocity double precision, -- comments per minute, null while unknown
    first_stored_at  timestamptz      not null default now()
) with (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.05);

-- Serves the order -created_at and its continuation.
create index posts_created on posts (created_at desc, id desc);
-- Serves a subreddit's posts.
create index posts_subreddit on posts (lower(subreddit), created_at desc, id desc);
-- Serves "stored in the last hour".
create index posts_first_stored on posts (first_stored_at);

create table post_history (
    post_id          text             not null,
    observed_at      timestamptz      not null,
    score            bigint           not null,
    num_comments     bigint           not null,
    upvote_ratio     double precision,
    velocity         double precision,
    comment_velocity double precision,
    primary key (post_id, observed_at)
) partition by range (observed_at);

-- Serves the order -observed_at: the newest readings lead to the newest posts.
create index post_history_observed on post_history (observed_at desc, post_id desc);

-- Makes the partition of one UTC day unless it is there. Attaching a table made
-- apart locks out neither readers nor writers of the other days, as
-- "create table … partition of" would.
-- +goose StatementBegin
create function ensure_history_partition(day date) returns void language plpgsql as $$
declare
    partition text := 'post_history_' || to_char(day, 'YYYYMMDD');
begin
    -- Asked of the table, not of to_regclass: its cache may still say "not there"
    -- after the lock was waited for.
    perform from pg_class where relname = partition and relnamespace = current_schema()::regnamespace;
    if found then
        return;
    end if;
    perform pg_advisory_xact_lock(hashtext('post_history'));
    perform from pg_class where relname = partition and relnamespace = current_schema()::regnamespace;
    if found then
        return;
    end if;
    execute format('create table %I (like post_history including defaults)', partition);
    execute format(
        'alter table post_history attach partition %I for values from (%L) to (%L)',
        partition,
        day::timestamp at time zone 'UTC',
        (day + 1)::timestamp at time zone 'UTC');
end
$$;
-- +goose StatementEnd

-- +goose Down
drop table post_history;
drop function ensure_history_partition(date);
drop table posts;
