-- Whether this server takes writes, and how long its log is in bytes.
select
    not pg_is_in_recovery(),
    case when pg_is_in_recovery() then 0
         else pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint end
