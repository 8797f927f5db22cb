-- A new password. Served by users_name.
update users set password_hash = $2 where lower(name) = lower($1) returning id
