-- One token as it stands. Served by refresh_tokens_pkey.
select hash, family, user_id, issued_at, expires_at, used_at, revoked_at
from refresh_tokens
where hash = $1
