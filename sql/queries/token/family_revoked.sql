-- Whether a family has ended, or was never there. Served by
-- refresh_tokens_family.
select not exists (select 1 from refresh_tokens where family = $1 and revoked_at is null)
