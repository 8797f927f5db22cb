-- Notes which of these posts trend by their newest reading. Served by posts_pkey.
insert into trending_posts (post_id)
select id
from posts
where id = any ($1::text[]) and trend is not null
order by id
on conflict do nothing
