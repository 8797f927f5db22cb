-- What became of the dead letters: the topic can only be appended to.

-- +goose Up
create table dead_letters (
    id              text        primary key, -- topic/partition/offset of the first failure
    state           text        not null default 'open' check (state in ('open', 'replayed', 'discarded')),
    topic           text        not null,    -- of the last failure, as are the next two
    "partition"     integer     not null,
    "offset"        bigint      not null,
    stage           text        not null,
    class           text        not null,
    message         text        not null,
    consumer_group  text        not null,
    app_version     text        not null,
    first_failed_at timestamptz not null,
    failed_at       timestamptz not null,
    failure         integer     not null,    -- replays before the failure that is mirrored
    replays         integer     not null,
    key             bytea       not null,
    value           bytea       not null,
    headers         jsonb       not null,
    mirrored_at     timestamptz not null default now(),
    leased_until    timestamptz,             -- being sent again, by somebody
    changed_by      text        not null default '',
    changed_at      timestamptz,
    reason          text        not null default ''
);

-- Serves the list, last failures first, and the end of what is settled.
create index dead_letters_failed on dead_letters (failed_at desc, id desc);
-- Serves the list and the counts of open letters, and what is to be done, oldest
-- failures first.
create index dead_letters_open on dead_letters (failed_at, id) where state = 'open';

-- +goose Down
drop table dead_letters;
