-- One account. Served by users_pkey.
select id, name, role, is_active, password_hash, created_at from users where id = $1
