package reddit

// recentSeconds is one more than a window has: the second that has begun may
// reach as far back as the one that is half over.
const recentSeconds = int64(window/1e9) + 1

// recent counts what happened in the last ten minutes, by the second. It never
// counts less than there was: its oldest second is counted whole.
type recent struct {
	counts [recentSeconds]int32
	second int64 // the newest
	total  int
}

// advance forgets what is too old by now.
func (r *recent) advance(second int64) {
	for gone := min(second-r.second, recentSeconds); gone > 0; gone-- {
		place := &r.counts[(second-gone+1)%recentSeconds]
		r.total -= int(*place)
		*place = 0
	}
	r.second = max(r.second, second)
}

func (r *recent) add() {
	r.counts[r.second%recentSeconds]++
	r.total++
}

// next is the second in which the oldest that is counted falls out.
func (r *recent) next() int64 {
	for s := max(r.second-recentSeconds+1, 0); s < r.second; s++ {
		if r.counts[s%recentSeconds] > 0 {
			return s + recentSeconds
		}
	}
	return r.second + recentSeconds
}
