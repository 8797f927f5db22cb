-- An issued refresh token.
insert into refresh_tokens (hash, family, user_id, issued_at, expires_at)
values ($1, $2, $3, $4, $5)
