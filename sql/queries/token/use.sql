-- Exchanges a token for its successor: one winner, however many try. Served by
-- refresh_tokens_pkey.
with used as (
    update refresh_tokens set used_at = $2
    where hash = $1 and used_at is null and revoked_at is null and expires_at > $2
    returning hash, family, user_id, issued_at, expires_at, used_at, revoked_at
), next as (
    insert into refresh_tokens (hash, family, user_id, issued_at, expires_at)
    select $3, family, user_id, $4, $5 from used
)
select hash, family, user_id, issued_at, expires_at, used_at, revoked_at from used
