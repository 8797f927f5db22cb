-- What ingestion needs to go on where it stopped: how far each subreddit is
-- covered, where posts may be missing, and the request budget.
--
-- Each row of subreddit_config has one row of subreddit_status, kept so by a
-- trigger: whoever removes a subreddit, by whatever door, removes its status and
-- its gaps, and one that is added again starts afresh. The two small tables are
-- locked for a moment.

-- +goose Up
alter table subreddit_status
    add covered_until timestamptz, -- posts made before were seen, or lie in a gap
    add rate_posts    double precision not null default 0, -- fading sums: posts seen,
    add rate_minutes  double precision not null default 0, -- and the minutes they took
    -- All rows may change in one statement: half of each page is free for the
    -- versions that follow. No index holds a column that changes.
    set (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05);

delete from subreddit_status s
where not exists (select from subreddit_config c where lower(c.name) = s.name);

insert into subreddit_status (name, state)
select lower(name), 'pending' from subreddit_config
on conflict do nothing;

-- +goose StatementBegin
create function subreddit_status_follows() returns trigger language plpgsql as $$
begin
    -- The name that an insert or a delete lacks is null.
    if lower(old.name) is distinct from lower(new.name) then
        delete from subreddit_status where name = lower(old.name);
        insert into subreddit_status (name, state)
        select lower(new.name), 'pending' where new.name is not null
        on conflict do nothing;
    end if;
    return null;
end
$$;
-- +goose StatementEnd

create trigger subreddit_status_follows
    after insert or delete or update of name on subreddit_config
    for each row execute function subreddit_status_follows();

create table subreddit_gaps (
    subreddit  text        not null references subreddit_status (name) on delete cascade, -- lower case
    gap_from   timestamptz not null,
    gap_to     timestamptz not null,
    noticed_at timestamptz not null,
    reason     text        not null,
    -- One gap is recorded once. Read backwards: a subreddit's gaps, newest first.
    primary key (subreddit, gap_to, gap_from),
    check (gap_from <= gap_to)
);

-- One row: rates in requests a minute, the window as Reddit's headers say.
create table ingest_budget (
    one              boolean          primary key default true check (one),
    said_at          timestamptz      not null,
    allowed          double precision not null,
    sent             double precision not null,
    discovery        double precision not null,
    refresh          double precision not null,
    sweep            double precision not null,
    factor           double precision not null,
    refresh_factor   double precision not null,
    live_posts       bigint           not null,
    window_limit     double precision not null, -- requests in 600 s, 0 while unknown
    window_used      double precision not null,
    window_resets_at timestamptz, -- null while no window is known
    stopped_until    timestamptz  -- null: no stop
);

-- +goose Down
drop table ingest_budget;
drop table subreddit_gaps;
drop trigger subreddit_status_follows on subreddit_config;
drop function subreddit_status_follows();
alter table subreddit_status
    drop covered_until,
    drop rate_posts,
    drop rate_minutes,
    reset (fillfactor, autovacuum_vacuum_scale_factor);
