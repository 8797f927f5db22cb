package cache

import "context"

// What tests do to Redis behind the cache's back.

func FlushScripts(ctx context.Context, c *Cache) error { return c.velocity.ScriptFlush(ctx).Err() }
func FlushMemory(ctx context.Context, c *Cache) error  { return c.velocity.FlushDB(ctx).Err() }
func FlushFeed(ctx context.Context, c *Cache) error    { return c.feed.FlushDB(ctx).Err() }
func DropStream(ctx context.Context, c *Cache) error   { return c.feed.Del(ctx, feedStream).Err() }
func DropMeta(ctx context.Context, c *Cache) error     { return c.feed.Del(ctx, feedMeta).Err() }

func SetNumber(ctx context.Context, c *Cache, n int) error {
	return c.feed.HSet(ctx, feedMeta, "n", n).Err()
}
