-- How far a standby has come: whether it is one, what it has replayed (bytes
-- from the start of the log), and the age of the last replayed commit.
select
    pg_is_in_recovery(),
    coalesce(pg_wal_lsn_diff(pg_last_wal_replay_lsn(), '0/0'), 0)::bigint,
    coalesce(extract(epoch from now() - pg_last_xact_replay_timestamp()), 0)::double precision
