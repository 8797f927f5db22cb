-- What is watched, and how the scheduler fares with it.
--
-- Every change of subreddit_config notifies the channel of the same name, by
-- whatever door it came in, plain SQL included.

-- +goose Up
create table subreddit_config (
    name             text        primary key check (name ~ '^[A-Za-z0-9_.-]{2,23}$'),
    interval_seconds integer     not null default 60 check (interval_seconds between 10 and 86400),
    priority         text        not null default 'medium' check (priority in ('fast', 'medium', 'slow')),
    is_active        boolean     not null default true,
    added_by         text        not null default current_user,
    created_at       timestamptz not null default now(),
    updated_at       timestamptz not null default now(),
    version          bigint      not null default 1
);

-- Reddit ignores case in names: so does the key.
create unique index subreddit_config_name on subreddit_config (lower(name));

-- +goose StatementBegin
create function subreddit_config_changed() returns trigger language plpgsql as $$
begin
    if tg_op = 'UPDATE' then
        new.updated_at := now();
        new.version := old.version + 1;
    end if;
    perform pg_notify('subreddit_config', coalesce(new.name, old.name));
    return coalesce(new, old);
end
$$;
-- +goose StatementEnd

create trigger subreddit_config_changed
    before insert or update or delete on subreddit_config
    for each row execute function subreddit_config_changed();

create table subreddit_status (
    name                       text        primary key, -- lower case
    state                      text        not null,
    last_poll_at               timestamptz,
    next_poll_at               timestamptz,
    effective_interval_seconds double precision,
    posts_per_minute           double precision,
    last_error                 text        not null default '',
    gaps                       bigint      not null default 0,
    updated_at                 timestamptz not null default now()
);

-- +goose Down
drop table subreddit_status;
drop table subreddit_config;
drop function subreddit_config_changed();
