package thing

import (
	"time"

	"dev.redditpulse/shared/pulse"
)

// Archived makes a reading of a post in an archive file, with the source
// "import". Its moment is that at which the archive read the figures, else that
// of the post's creation. A score of null, as on some advertisements, is 0;
// everything else that makes a post must be there, as it is in all archives.
func (o *Object) Archived(now time.Time) (pulse.Observation, error) {
	if o.isNull(fieldScore) {
		o.fields[fieldScore] = []byte("0")
	}
	out, err := o.observation(now)
	if err != nil {
		return out, err
	}
	second := o.secondReading()
	b := builder{now: now}
	at := out.CreatedAt
	for _, read := range []struct {
		name  string
		value []byte
	}{
		{"retrieved_on", o.fields[fieldRetrievedOn]},
		{"retrieved_utc", o.fields[fieldRetrievedUTC]},
		{"_meta.retrieved_2nd_on", second.at},
	} {
		moment, ok := instantOf(read.value)
		if !ok || !moment.After(at) {
			continue // none, or of a clock that was wrong
		}
		b.possible(read.name, moment)
		at = moment
	}
	if b.err != nil {
		return pulse.Observation{}, b.err
	}
	out.Source, out.ObservedAt = "import", at.Truncate(time.Millisecond)
	out.State = second.state(out.State)
	return out, nil
}

// second is what archives since the end of 2023 say in _meta of a later look at
// the post. The figures are then those of the later look; the texts stay those
// of the first.
type second struct {
	at       []byte // JSON: when, in seconds of Unix time
	gone     bool   // the post was there first and not later
	restored bool   // the other way about
	category string // why, as removed_by_category says it
}

func (o *Object) secondReading() second {
	var s second
	if len(o.fields[fieldMeta]) == 0 || o.fields[fieldMeta][0] != '{' {
		return s
	}
	r := reader{text: o.fields[fieldMeta]}
	r.object(func(name []byte) bool {
		value, ok := r.value()
		switch string(name) {
		case `"retrieved_2nd_on"`:
			s.at = value
		case `"was_deleted_later"`:
			s.gone = string(value) == "true"
		case `"was_initially_deleted"`:
			s.restored = string(value) == "true"
		case `"removal_type"`:
			s.category, _ = textOf(value)
		}
		return ok
	})
	return s
}

// state corrects what the first look found. Without a reason, a post that went
// away counts as deleted by its author, who may then not be quoted.
func (s *second) state(first pulse.State) pulse.State {
	switch {
	case s.gone && s.category == "":
		return pulse.Deleted
	case s.gone:
		return stateOf(s.category)
	case s.restored:
		return pulse.Live
	}
	return first
}
