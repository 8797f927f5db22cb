-- Lets an account in or keeps it out. Served by users_name.
update users set is_active = $2 where lower(name) = lower($1) returning id
