package score_test

import (
	"strconv"
	"sync"
	"testing"

	"dev.redditpulse/daemon/score"
)

func TestSentimentCacheAnswersAsSentimentDoes(t *testing.T) {
	t.Parallel()
	c := score.NewSentimentCache(len(sentimentCases))
	for range 2 {
		for _, s := range sentimentCases {
			if got := c.Of(s.text); got != s.want {
				t.Errorf("%q: got %v, want %v", s.text, got, s.want)
			}
		}
	}
	if want := uint64(len(sentimentCases)); c.Hits() != want || c.Misses() != want {
		t.Errorf("got %d hits and %d misses, want %d each", c.Hits(), c.Misses(), want)
	}
}

func TestSentimentCacheForgetsTheTextNotAskedForTheLongest(t *testing.T) {
	t.Parallel()
	c := score.NewSentimentCache(2)
	for _, text := range []string{"good", "bad", "good", "sad", "good"} {
		c.Of(text)
	}
	if c.Hits() != 2 || c.Misses() != 3 {
		t.Errorf("got %d hits and %d misses, want 2 and 3", c.Hits(), c.Misses())
	}
	c.Of("bad")
	if c.Misses() != 4 {
		t.Errorf("got %d misses, want 4: the text was to be forgotten", c.Misses())
	}
}

func TestSentimentCacheHoldsOneTextAtLeast(t *testing.T) {
	t.Parallel()
	for _, entries := range []int{-1, 0, 1} {
		c := score.NewSentimentCache(entries)
		c.Of("good")
		if got := c.Of("good"); got != 0.4404 || c.Hits() != 1 {
			t.Errorf("%d entries: got %v and %d hits, want 0.4404 and 1", entries, got, c.Hits())
		}
	}
}

func TestSentimentCacheServesManyGoroutines(t *testing.T) {
	t.Parallel()
	const goroutines, rounds = 8, 20
	c := score.NewSentimentCache(len(sentimentCases) / 2)
	var all sync.WaitGroup
	for range goroutines {
		all.Go(func() {
			for range rounds {
				for _, s := range sentimentCases {
					if got := c.Of(s.text); got != s.want {
						t.Errorf("%q: got %v, want %v", s.text, got, s.want)
					}
				}
			}
		})
	}
	all.Wait()
	if got, want := c.Hits()+c.Misses(), uint64(goroutines*rounds*len(sentimentCases)); got != want {
		t.Errorf("got %d answers counted, want %d", got, want)
	}
}

func BenchmarkSentimentCache(b *testing.B) {
	const entries = 65_536
	b.Run("hit", func(b *testing.B) {
		c := score.NewSentimentCache(entries)
		b.ReportAllocs()
		for b.Loop() {
			c.Of(titlePlain)
		}
	})
	b.Run("hit by all processors", func(b *testing.B) {
		c := score.NewSentimentCache(entries)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				c.Of(titlePlain)
			}
		})
	})
	b.Run("miss when full", func(b *testing.B) {
		c := score.NewSentimentCache(entries)
		texts := make([]string, 2*entries)
		for i := range texts {
			texts[i] = titlePlain + " " + strconv.Itoa(i)
			c.Of(texts[i])
		}
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			c.Of(texts[i%len(texts)])
			i++
		}
	})
}
