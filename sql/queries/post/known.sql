-- Which of these posts are stored. Served by posts_pkey.
select id from posts where id = any ($1::text[])
