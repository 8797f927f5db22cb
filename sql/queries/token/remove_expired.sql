-- Forgets tokens that can no longer be used or reused. Served by
-- refresh_tokens_expires.
delete from refresh_tokens where expires_at < $1
