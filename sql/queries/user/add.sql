-- A new account; none where the name is taken, case ignored.
insert into users (name, role, password_hash) values ($1, $2, $3)
on conflict do nothing
returning id, name, role, is_active, password_hash, created_at
