-- Ends every token that came from one log-in. Served by refresh_tokens_family.
update refresh_tokens set revoked_at = $2 where family = $1 and revoked_at is null
