-- The budget as it was saved last; no row before the first time.
select said_at, allowed, sent, discovery, refresh, sweep, factor, refresh_factor,
    live_posts, window_limit, window_used, window_resets_at, stopped_until
from ingest_budget
