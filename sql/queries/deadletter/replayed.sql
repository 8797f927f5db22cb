-- Marks letters that were sent again, unless they have failed again already.
-- Served by dead_letters_pkey.
update dead_letters d
set state = case when d.failure >= r.replays then d.state else 'replayed' end,
    replays = greatest(d.replays, r.replays), leased_until = null,
    changed_by = $3, changed_at = now()
from unnest($1::text[], $2::integer[]) as r (id, replays)
where d.id = r.id
