package ingest

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"dev.redditpulse/shared/pulse"
	"dev.redditpulse/shared/wire"
)

func TestFirstSightsAndLaterReadingsGoToTheirTopics(t *testing.T) {
	t.Parallel()
	w := newWorld("golang")
	runs(t, w, func() {
		w.post("golang", "a")
		pass(time.Minute)
		w.post("golang", "b")
		pass(time.Minute)
		if w.first("a") != 1 || w.first("b") != 1 {
			t.Errorf("first seen %d and %d times", w.first("a"), w.first("b"))
		}
		refreshes := 0
		w.set(func() {
			for _, r := range w.produced {
				if r.Topic == wire.TopicRefresh && string(r.Key) == "t3_a" {
					refreshes++
				}
			}
		})
		if refreshes == 0 {
			t.Error("no later reading of the first post")
		}
	})
}

func TestSubredditsShareRequests(t *testing.T) {
	t.Parallel()
	w := newWorld(names(115)...)
	for i := range w.rows {
		switch {
		case i >= 71:
			w.rows[i].IntervalSeconds = 600
		case i >= 26:
			w.rows[i].IntervalSeconds = 180
		}
	}
	runs(t, w, func() {
		pass(time.Hour)
		begun := w.listings()
		pass(time.Hour)
		if perMinute := float64(w.listings()-begun) / 60; perMinute > 3 {
			t.Errorf("%.2f requests a minute", perMinute)
		}
		for i, row := range w.rows {
			times := w.pollsOf(row.Name)
			for k := 1; k < len(times); k++ {
				if gap := times[k].Sub(times[k-1]); gap > time.Duration(row.IntervalSeconds)*time.Second {
					t.Errorf("row %d waited %s, promised %d s", i, gap, row.IntervalSeconds)
					break
				}
			}
		}
	})
}

func TestANewSubredditIsReadBack(t *testing.T) {
	t.Parallel()
	w := newWorld("golang")
	bubble(t, func(t *testing.T) {
		now := time.Now()
		for i := range 400 {
			w.postAt("golang", fmt.Sprint(i), now.Add(-30*time.Hour+time.Duration(i)*4*time.Minute))
		}
		stop := begin(t, w)
		pass(time.Second)
		old := 0
		for i := range 400 {
			if at := now.Add(-30*time.Hour + time.Duration(i)*4*time.Minute); w.first(fmt.Sprint(i)) == 0 && at.After(now.Add(-24*time.Hour)) {
				t.Fatalf("post %d of %s ago was not found", i, now.Sub(at))
			} else if w.first(fmt.Sprint(i)) > 0 {
				old++
			}
		}
		if old == 0 || len(w.gapsNow()) > 0 {
			t.Errorf("%d found, gaps %v", old, w.gapsNow())
		}
		stop()
	})
}

func TestAnOutageIsHealedOrRecorded(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		perMinute int
		lasts     time.Duration
		gap       bool
	}{
		"more than a page":          {10, 30 * time.Minute, false},
		"more than a listing holds": {30, time.Hour, true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld("busy", "quiet")
			runs(t, w, func() {
				made := 0
				write := func(d time.Duration) {
					for range int(d.Minutes()) {
						for range c.perMinute {
							w.post("busy", fmt.Sprint(made))
							made++
							pass(time.Minute / time.Duration(c.perMinute))
						}
					}
				}
				write(20 * time.Minute)
				w.set(func() { w.down = downError{} })
				write(c.lasts)
				if s := w.statusOf("busy"); s.State != pulse.Backoff {
					t.Errorf("during the outage it is %s", s.State)
				}
				w.set(func() { w.down = nil })
				before := w.listings()
				write(3 * time.Minute)
				if n := w.listings() - before; n > 45 {
					t.Errorf("%d listings in the first three minutes after", n)
				}
				lost := 0
				for i := range made - 2*c.perMinute {
					if w.first(fmt.Sprint(i)) > 0 {
						continue
					}
					lost++
					var at time.Time
					w.set(func() { at = w.posts["busy"][len(w.posts["busy"])-1-i].CreatedAt })
					if !slices.ContainsFunc(w.gapsNow(), func(g pulse.Gap) bool {
						return g.Subreddit == "busy" && at.After(g.From) && at.Before(g.To)
					}) {
						t.Fatalf("post %d of %s is missing in silence; gaps %v", i, at, w.gapsNow())
					}
				}
				if (lost > 0) != c.gap || (len(w.gapsNow()) > 0) != c.gap {
					t.Errorf("%d of %d lost, gaps %v", lost, made, w.gapsNow())
				}
			})
		})
	}
}

func TestACulpritIsFoundAndTheRestGoesOn(t *testing.T) {
	t.Parallel()
	all := names(50)
	w := newWorld(all...)
	w.fail[all[17]], w.fail[all[40]] = stateError{}, errors.New("truncated JSON")
	runs(t, w, func() {
		for _, name := range all {
			w.post(name, postOf(name))
		}
		pass(5 * time.Minute)
		for i, name := range all {
			state := w.statusOf(name).State
			want := pulse.Polling
			switch i {
			case 17:
				want = pulse.Private
			case 40:
				want = pulse.Backoff
			}
			if state != want || (w.first(postOf(name)) == 1) != (want == pulse.Polling) {
				t.Errorf("%s is %s, its post was seen %d times", name, state, w.first(postOf(name)))
			}
		}
		begun := w.listings()
		pass(time.Hour)
		if n := w.listings() - begun; n > 120 {
			t.Errorf("%d requests in an hour: the culprits are asked for too often", n)
		}
		if n := w.polled(all[17]); n > 12 {
			t.Errorf("the private one was asked for %d times", n)
		}
		w.set(func() { clear(w.fail) })
		pass(25 * time.Hour)
		if s := w.statusOf(all[17]); s.State != pulse.Polling || w.first(postOf(all[17])) != 1 {
			t.Errorf("back within a day? it is %s", s.State)
		}
	})
}

func TestAnAnswerThatIsBadForAllIsNobodysFault(t *testing.T) {
	t.Parallel()
	all := names(60)
	w := newWorld(all...)
	for _, name := range all {
		w.fail[name] = errors.New("truncated JSON")
	}
	runs(t, w, func() {
		pass(time.Minute)
		if n := w.listings(); n > 12 {
			t.Errorf("%d requests to find out", n)
		}
	})
}

func TestSilentSubredditsAreAskedForAlone(t *testing.T) {
	t.Parallel()
	w := newWorld("busy", "banned")
	runs(t, w, func() {

		for i := range 48 * 6 {
			w.post("busy", fmt.Sprint(i))
			pass(10 * time.Minute)
		}
		alone := 0
		w.set(func() {
			for _, q := range w.requests {
				if slices.Equal(q.Subreddits, []string{"banned"}) && !q.Spare {
					alone++
				}
			}
		})
		if alone < 2 || alone > 6 {
			t.Errorf("asked for alone %d times in two days", alone)
		}
	})
}

func TestRowsApplyWithoutARestartAndLeaveTheOthersAlone(t *testing.T) {
	t.Parallel()
	for _, lost := range []bool{false, true} {
		t.Run(fmt.Sprintf("notifications lost %v", lost), func(t *testing.T) {
			t.Parallel()
			w := newWorld("golang", "rust")
			w.lost = lost
			runs(t, w, func() {
				pass(30 * time.Second)
				w.edit(func() {
					w.rows = append(w.rows, row0("politics"))
					w.rows[0].IntervalSeconds, w.rows[0].Version = 10, 2
				})
				if lost {
					pass(31 * time.Second)
				}
				synctest.Wait()
				if w.polled("politics") != 1 {
					t.Errorf("politics was polled %d times, want once at once", w.polled("politics"))
				}
				pass(20 * time.Second)
				if n := w.polled("golang"); n < 4 {
					t.Errorf("golang was polled %d times since its interval is 10 s", n)
				}
				w.edit(func() { w.rows[0].IsActive, w.rows[0].Version = false, 3 })
				w.edit(func() { w.rows = slices.Delete(w.rows, 1, 2) })
				pass(time.Minute)
				before, gone := w.polled("golang"), w.polled("rust")
				pass(5 * time.Minute)
				if w.polled("golang") != before || w.polled("rust") != gone {
					t.Error("a paused or removed subreddit is polled on")
				}
				if s := w.statusOf("golang"); s.State != pulse.Paused {
					t.Errorf("paused, it is %s", s.State)
				}
				if n := w.polled("politics"); n < 6 {
					t.Errorf("politics was polled %d times, the others' edits disturbed it", n)
				}
				w.edit(func() { w.rows[0].IsActive, w.rows[0].Version = true, 4 })
				if lost {
					pass(time.Minute)
				}
				synctest.Wait()
				if w.polled("golang") <= before {
					t.Error("a resumed subreddit is not polled")
				}
			})
		})
	}
}

func TestLimitsAndTroubleBecomeStatesAndPauses(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		err   error
		state pulse.PollState
		quiet time.Duration // without another poll
		again time.Duration // until the next
	}{
		"a state of the community": {stateError{}, pulse.Private, 29 * time.Minute, 32 * time.Minute},
		"a limit":                  {limitError{}, pulse.Backoff, 4 * time.Minute, 2 * time.Minute},
		"a bad answer":             {errors.New("not a listing"), pulse.Backoff, 20 * time.Second, time.Minute},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld("golang")
			w.fail["golang"] = fmt.Errorf("list: %w", c.err)
			runs(t, w, func() {
				pass(2 * time.Second)
				s := w.statusOf("golang")
				if s.State != c.state || s.NextPollAt == nil {
					t.Errorf("status %+v", s)
				}
				has(t, "last error", s.LastError, c.err.Error())
				pass(c.quiet)
				if w.polled("golang") != 1 {
					t.Errorf("polled %d times within %s", w.polled("golang"), c.quiet)
				}
				pass(c.again)
				if w.polled("golang") < 2 {
					t.Error("not polled again")
				}
			})
		})
	}
}

func TestKafkaAwayPausesAndLosesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld("golang", "rust")
	runs(t, w, func() {
		pass(time.Minute)
		w.mem.Lock()
		w.broken = errors.New("no leader")
		w.mem.Unlock()
		for i := range 50 {
			w.post("golang", fmt.Sprint(i))
			pass(6 * time.Second)
		}
		has(t, "last error", w.statusOf("golang").LastError, "no leader")
		if n := w.listings(); n > 30 {
			t.Errorf("%d requests while nothing could be handed on", n)
		}
		w.mem.Lock()
		w.broken = nil
		w.mem.Unlock()
		pass(2 * time.Minute)
		for i := range 50 {
			if w.first(fmt.Sprint(i)) != 1 {
				t.Errorf("post %d was first seen %d times", i, w.first(fmt.Sprint(i)))
			}
		}
		if s := w.statusOf("golang"); s.State != pulse.Polling || s.LastError != "" {
			t.Errorf("afterwards it is %s: %q", s.State, s.LastError)
		}
	})
}

func TestARestartGoesOnWhereItStopped(t *testing.T) {
	t.Parallel()
	w := newWorld("golang", "rust")
	w.lag = true // what is produced is in Kafka only
	bubble(t, func(t *testing.T) {
		stop := begin(t, w)
		for i := range 200 {
			w.post("golang", fmt.Sprint(i))
			pass(3 * time.Second)
		}
		stop()
		for i := range 150 {
			w.post("golang", fmt.Sprint(200+i))
			pass(3 * time.Second)
		}
		before := w.polled("rust")
		stop = begin(t, w)
		pass(time.Minute)
		stop()
		for i := range 350 {
			if w.first(fmt.Sprint(i)) != 1 {
				t.Errorf("post %d was first seen %d times", i, w.first(fmt.Sprint(i)))
			}
		}
		if w.polled("rust") == before || len(w.gapsNow()) > 0 {
			t.Errorf("gaps %v", w.gapsNow())
		}
		if s := w.statusOf("golang"); s.CoveredUntil == nil || *s.PostsPerMinute < 3 {
			t.Errorf("the rate was forgotten: %+v", s)
		}
	})
}

func TestAQuickRestartKeepsTheTimers(t *testing.T) {
	t.Parallel()
	w := newWorld(names(30)...)
	for i := range w.rows {
		w.rows[i].IntervalSeconds = 600
	}
	bubble(t, func(t *testing.T) {
		stop := begin(t, w)
		pass(time.Minute)
		stop()
		before := w.listings()
		stop = begin(t, w)
		pass(7 * time.Minute)
		stop()
		if n := w.listings() - before; n != 0 {
			t.Errorf("%d polls that nobody was due for", n)
		}
	})
}

func TestSlowAnswersHoldNobodyElseUp(t *testing.T) {
	t.Parallel()
	w := newWorld(names(10)...)
	for i := range w.rows {
		w.rows[i].Name = []string{"all", "popular", "a0", "b0", "c0", "d0", "e0", "f0", "g0", "h0"}[i]
	}
	runs(t, w, func() {
		for i := range 70 * 60 { // busy enough for sweeps of their own
			w.post(w.rows[i%10].Name, fmt.Sprint(i))
			pass(time.Second)
			if i == 57*60 {
				w.set(func() { w.hold = make(chan struct{}) })
			}
		}
		for i := range 9 {
			w.edit(func() {
				w.rows[i].Version++
				w.rows = append(w.rows, row0(fmt.Sprintf("new%d", i)))
			})
			synctest.Wait()
		}
		w.set(func() { close(w.hold); w.hold = nil })
		pass(time.Minute)
		for i := range 9 {
			if w.polled(fmt.Sprintf("new%d", i)) == 0 {
				t.Errorf("the %dth new subreddit waits for ever", i)
			}
		}
	})
}

func TestARowThatTheSchemaShouldHaveRefusedIsNotPolled(t *testing.T) {
	t.Parallel()
	w := newWorld("golang")
	w.rows[0].IntervalSeconds = 1
	runs(t, w, func() {
		pass(5 * time.Minute)
		if n := w.polled("golang"); n != 0 {
			t.Errorf("polled %d times", n)
		}
		has(t, "status", w.statusOf("golang").LastError, "interval_seconds")
	})
}

func TestAnotherClocksTimesDoNotStopAnybody(t *testing.T) {
	t.Parallel()
	w := newWorld("golang")
	bubble(t, func(t *testing.T) {
		year := time.Now().AddDate(1, 0, 0)
		w.status["golang"] = pulse.SubredditStatus{State: pulse.Polling, LastPollAt: &year, NextPollAt: &year, CoveredUntil: &year}
		stop := begin(t, w)
		w.post("golang", "a")
		pass(time.Minute)
		if w.first("a") != 1 {
			t.Error("a clock that was a year ahead still counts")
		}
		stop()
	})
}

func TestOurClockMayBeWrong(t *testing.T) {
	t.Parallel()
	for _, ahead := range []time.Duration{-20 * time.Hour, 20 * time.Hour} {
		w := newWorld("golang")
		w.ahead = ahead
		bubble(t, func(t *testing.T) {
			stop := begin(t, w)
			for i := range 120 {
				w.post("golang", fmt.Sprint(i))
				pass(time.Minute)
			}
			stop()
			for i := range 120 {
				w.post("golang", fmt.Sprint(120+i))
				pass(time.Minute)
			}
			polls := w.polled("golang")
			asked, _ := w.refreshes()
			stop = begin(t, w)
			pass(40 * time.Minute)
			stop()
			for i := range 240 {
				if w.first(fmt.Sprint(i)) != 1 {
					t.Errorf("%s ahead: post %d was first seen %d times", ahead, i, w.first(fmt.Sprint(i)))
				}
			}
			if n := w.polled("golang") - polls; n < 40 || n > 45 {
				t.Errorf("%s ahead: %d polls in 40 minutes", ahead, n)
			}
			if again, _ := w.refreshes(); asked == 0 || again == asked || len(w.gapsNow()) > 0 {
				t.Errorf("%s ahead: %d refreshes, then %d; gaps %v", ahead, asked, again-asked, w.gapsNow())
			}
		})
	}
}

func TestLatePostsAreFoundBySweeps(t *testing.T) {
	t.Parallel()
	w := newWorld("busy")
	runs(t, w, func() {
		for i := range 300 {
			w.post("busy", fmt.Sprint(i))
			pass(20 * time.Second)
		}
		// Approved an hour after it was made: far behind the newest page.
		w.set(func() {
			posts := w.posts["busy"]
			late := posts[170]
			late.PostID = "t3_late"
			w.posts["busy"] = slices.Insert(posts, 170, late)
		})
		for i := range 240 {
			w.post("busy", fmt.Sprint(300+i))
			pass(20 * time.Second)
		}
		if w.first("late") != 1 {
			t.Errorf("first seen %d times", w.first("late"))
		}
	})
}

func TestTheMemoryOfProducedPostsIsBounded(t *testing.T) {
	t.Parallel()
	s := newSeen(newWorld())
	for i := range maxRecent + 10 {
		s.add([]string{fmt.Sprint(i)})
	}
	if len(s.recent) != maxRecent || s.recent["9"] || !s.recent["10"] {
		t.Errorf("%d remembered", len(s.recent))
	}
}
