package client

import "time"

// Hurry shortens the pauses between connections for tests.
func (c *Client) Hurry() *Client {
	c.backoff = backoff{first: 2 * time.Millisecond, most: 20 * time.Millisecond, healthy: time.Minute}
	return c
}

// Wait is the n-th pause of the backoff that clients use.
func (c *Client) Wait(n int) time.Duration { return c.backoff.wait(n) }
