-- One account by name, case ignored. Served by users_name.
select id, name, role, is_active, password_hash, created_at from users where lower(name) = lower($1)
