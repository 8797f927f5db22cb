-- The advisory lock of a leader: whether this session has it now, null on a
-- standby, whose locks nobody else can see.
select case when pg_is_in_recovery() then null else pg_try_advisory_lock($1) end
