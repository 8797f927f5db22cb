-- Ends the lease of letters that were not sent. Served by dead_letters_pkey.
update dead_letters set leased_until = null where id = any ($1::text[])
