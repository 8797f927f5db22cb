package plan

import (
	"math"
	"time"
)

// DiscoveryShare is the part of the budget that listings may take while posts
// wait to be read again, unless the configuration says otherwise.
const DiscoveryShare = 0.8

// Inputs is what a forecast knows besides the rows.
type Inputs struct {
	Allowed float64 // requests a minute that may be sent
	Refresh float64 // requests a minute that reading all live posts when due would take
	Sweep   float64 // requests a minute for posts that were approved late
	Share   float64 // of Allowed that listings may take; 0 is DiscoveryShare
}

// Forecast is what polling some rows costs. All figures are requests a minute
// unless said otherwise.
type Forecast struct {
	Discovery     float64         // with all intervals kept as promised
	Listings      float64         // for listings that will be sent: at most Discovery
	Refreshes     float64         // for refreshing posts that will be sent
	Factor        float64         // by which all intervals are stretched, at least 1
	RefreshFactor float64         // by which the refresh of posts is stretched, at least 1
	Effective     []time.Duration // between two polls of each row at most, in the order of the rows
}

// Total is all requests a minute that will be sent.
func (f *Forecast) Total(in Inputs) float64 { return f.Listings + f.Refreshes + in.Sweep }

// Predict says what polling rows would cost within the budget. It plays the very
// queue that polls are taken from.
func Predict(rows []Row, in Inputs) Forecast {
	f := Forecast{Factor: 1, RefreshFactor: 1, Effective: make([]time.Duration, len(rows))}
	f.Discovery = play(rows, 1)
	f.Listings = f.Discovery
	mayTake := in.forListings()
	// Requests fall a little slower than intervals grow: pages get fuller.
	for range 4 {
		if f.Listings <= mayTake*1.01 {
			break
		}
		f.Factor *= min(f.Listings/max(mayTake, 0.01), 1000)
		f.Listings = play(rows, f.Factor)
	}
	left := max(in.Allowed-f.Listings-in.Sweep, 0.01)
	f.Refreshes = min(in.Refresh, left)
	f.RefreshFactor = max(1, in.Refresh/left)
	for i := range rows {
		f.Effective[i] = Stretch(rows[i].Pace(), f.Factor)
	}
	return f
}

// Stretch is a pace under a factor.
func Stretch(pace time.Duration, factor float64) time.Duration {
	return time.Duration(min(float64(pace)*max(factor, 1), float64(math.MaxInt64/2)))
}

// forListings is what listings may take: their share, or all that nobody else
// needs.
func (in *Inputs) forListings() float64 {
	share := in.Share
	if share == 0 {
		share = DiscoveryShare
	}
	return max(share*in.Allowed, in.Allowed-in.Refresh-in.Sweep)
}

// How long a forecast plays: until so many requests were sent or so much time
// has passed. The first third lets rows fall into step and is not counted.
const (
	playRequests = 900
	playTime     = 12 * time.Hour
)

// play runs a queue of rows on a clock of its own and gives the requests a
// minute.
func play(rows []Row, factor float64) float64 {
	if len(rows) == 0 {
		return 0
	}
	begin := time.Unix(0, 0)
	q := line(rows, factor, begin)
	most := max(playRequests, len(rows)/10)
	now, from := begin, begin
	requests, counted := 0, 0.0
	for requests < most && now.Sub(begin) < playTime {
		due, _ := q.Next()
		if due.After(now) {
			now = due
		}
		batch := q.Take(now)
		requests++
		if requests <= most/3 && now.Sub(begin) < playTime/3 {
			from = now
		} else {
			counted += pages(batch, now)
		}
		for _, e := range batch {
			e.Covered = now
			q.Put(e, now.Add(e.Pause))
		}
	}
	// The last request opens a stretch that is not counted.
	if span := now.Sub(from); span > 0 {
		return counted / span.Minutes()
	}
	return counted
}

// line makes a queue whose rows are due one after the other, as after a start.
func line(rows []Row, factor float64, begin time.Time) *Queue {
	q := &Queue{}
	for i := range rows {
		e := &Entry{Row: rows[i], Covered: begin, at: -1}
		e.Pause = Stretch(e.Pace(), factor)
		q.Put(e, begin.Add(time.Duration(i)*time.Millisecond))
	}
	return q
}

// pages is how many pages a request reads on average.
func pages(batch []*Entry, now time.Time) float64 {
	var l load
	for _, e := range batch {
		l = l.with(e, now)
	}
	return 1 + math.Floor(l.posts()/PageSize)
}
