-- All accounts, by name.
select id, name, role, is_active, password_hash, created_at from users order by lower(name)
