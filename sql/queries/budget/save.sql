-- The budget as it stands; one row is all there is.
insert into ingest_budget (
    said_at, allowed, sent, discovery, refresh, sweep, factor, refresh_factor,
    live_posts, window_limit, window_used, window_resets_at, stopped_until)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
on conflict (one) do update set
    said_at = excluded.said_at, allowed = excluded.allowed, sent = excluded.sent,
    discovery = excluded.discovery, refresh = excluded.refresh, sweep = excluded.sweep,
    factor = excluded.factor, refresh_factor = excluded.refresh_factor,
    live_posts = excluded.live_posts, window_limit = excluded.window_limit,
    window_used = excluded.window_used, window_resets_at = excluded.window_resets_at,
    stopped_until = excluded.stopped_until
