package ingest

import (
	"time"

	"dev.redditpulse/shared/pulse"
)

// finish takes a result into the schedule.
func (s *schedule) finish(res result, now time.Time) {
	switch res.kind {
	case jobRefresh:
		s.refreshed(res, now)
		return
	case jobSweep, jobBackfill:
		s.sweeping--
		pages := s.reader.deepPages.Swap(0)
		if res.kind == jobSweep { // the others come once
			s.sweepCost.add(now, float64(pages))
		}
	case jobPoll:
		s.polling--
	}
	for i := range res.outcomes {
		o := &res.outcomes[i]
		if part := awayPart(o.err); o.err == nil || part != "" {
			s.outage.met(part, o.err, res.begun, now, s.g.log, s.g.metrics)
		}
		r := s.rows[o.key]
		switch {
		case r == nil: // removed meanwhile
		case res.kind == jobSweep:
			s.swept(r, o, now)
		case res.kind == jobBackfill:
			s.filled(r, o, now)
		default:
			s.polled(r, o, now)
		}
	}
}

// refreshed takes note of how reading posts again went.
func (s *schedule) refreshed(res result, now time.Time) {
	s.rereading--
	s.refreshCost.add(now, 1)
	s.nextRefresh = now
	part := awayPart(res.err)
	if res.err == nil || part != "" {
		s.outage.met(part, res.err, res.begun, now, s.g.log, s.g.metrics)
		return
	}
	s.nextRefresh = now.Add(gather)
	s.g.log.Warn("posts not read again", "err", res.err)
}

// polled plans the next poll of a row and notes how this one went.
func (s *schedule) polled(r *row, o *outcome, now time.Time) {
	if !r.polling {
		return // the row was removed and added meanwhile
	}
	r.polling = false
	if !r.IsActive || r.refused {
		return
	}
	var next time.Time
	if o.err == nil {
		known := !r.poll.Covered.IsZero()
		r.succeeded(o)
		r.entries(s.forecast.Factor, s.g.c.Sweep)
		next = now.Add(r.poll.Pause)
		if o.gap != nil && known {
			s.note(*o.gap)
		}
		if !known && o.items == 0 && !r.poll.Alone {
			r.heard = s.probeSlot(now).Add(-silence)
		}
		if !known {
			s.fillLater(r, o, now)
		}
		s.sweepLater(r, o, now)
	} else {
		r.entries(s.forecast.Factor, s.g.c.Sweep)
		next = now.Add(r.failed(o.err))
		if awayPart(o.err) == "" {
			s.g.log.Warn("poll failed", "subreddit", r.Name, "state", r.status.State, "err", o.err, "next_in", next.Sub(now))
		}
	}
	s.putBack(r, next, now)
}

// putBack lets a row wait for its next poll; one that was edited meanwhile does
// not wait.
func (s *schedule) putBack(r *row, next, now time.Time) {
	if r.again {
		r.again = false
		next = now
		s.polls.Hurry(&r.poll, now)
	} else {
		s.polls.Put(&r.poll, next)
	}
	s.planned(r, next)
}

// planned notes when a row's next poll is.
func (s *schedule) planned(r *row, next time.Time) {
	seconds := r.poll.Pause.Seconds()
	r.status.NextPollAt, r.status.EffectiveIntervalSeconds = &next, &seconds
	s.unsaved.rows[r.poll.Key] = true
}

// probeSlot spreads the first questions about silent subreddits.
func (s *schedule) probeSlot(now time.Time) time.Time {
	const every = 10 * time.Second
	if s.nextProbe.Before(now) {
		s.nextProbe = now
	}
	s.nextProbe = s.nextProbe.Add(every)
	return s.nextProbe
}

func (s *schedule) note(gap pulse.Gap) {
	s.g.metrics.gaps.Inc()
	s.g.log.Warn("posts may be missing", "subreddit", gap.Subreddit, "from", gap.From, "to", gap.To, "reason", gap.Reason)
	s.unsaved.gaps = append(s.unsaved.gaps, gap)
}

// sweepLater plans when a row's listing is read deeper, for posts that were
// approved late. A poll that read as deep does for it.
func (s *schedule) sweepLater(r *row, o *outcome, now time.Time) {
	if s.g.c.Sweep == 0 || r.sweeping || loners[r.poll.Key] {
		return
	}
	if !o.deep(s.g.c.SweepDepth) && r.swept {
		return // waits for its turn
	}
	s.sweeps.Remove(&r.sweep)
	s.putSweep(r, now.Add(r.sweep.Pause))
}

func (s *schedule) putSweep(r *row, due time.Time) {
	r.swept = true
	r.sweep.Covered = due.Add(-s.g.c.SweepDepth)
	s.sweeps.Put(&r.sweep, due)
}

// deep tells whether a poll has read back over depth, or over all there is.
func (o *outcome) deep(depth time.Duration) bool {
	return o.whole || !o.reached.IsZero() && !o.reached.After(o.at.Add(-depth))
}

// fillLater has the posts read that were there before the first poll.
func (s *schedule) fillLater(r *row, o *outcome, now time.Time) {
	if s.g.c.Backfill == 0 || r.filling || loners[r.poll.Key] || o.deep(s.g.c.Backfill) {
		return
	}
	r.filling = true
	r.fill.Covered = now.Add(-s.g.c.Backfill)
	s.fills.Put(&r.fill, now)
}

// filled takes note of a backfill, which is tried again where it failed.
func (s *schedule) filled(r *row, o *outcome, now time.Time) {
	if o.err == nil || !r.filling || !r.planned() {
		r.filling = false
		return
	}
	s.g.log.Warn("older posts not read", "subreddit", r.Name, "err", o.err)
	s.fills.Put(&r.fill, now.Add(jitter(maxBackoff)))
}

// swept plans the next deeper read, soon where this one failed.
func (s *schedule) swept(r *row, o *outcome, now time.Time) {
	if !r.sweeping {
		return
	}
	r.sweeping = false
	if !r.planned() {
		r.swept = false
		return
	}
	next := now.Add(r.sweep.Pause)
	if o.err != nil {
		s.g.log.Warn("late posts not looked for", "subreddit", r.Name, "err", o.err)
		next = now.Add(jitter(r.sweep.Pause / 6))
	}
	s.putSweep(r, next)
}
