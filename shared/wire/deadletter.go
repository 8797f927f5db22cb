package wire

import (
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"dev.redditpulse/shared/pulse"
)

// DeadLetter is a record that could not be stored, without its bytes.
type DeadLetter struct {
	ID            string     `json:"id" doc:"topic:partition:offset of the first failure" example:"reddit.posts.raw:0:1234"`
	State         string     `json:"state" enum:"open,replayed,discarded"`
	Topic         string     `json:"topic" doc:"this, partition and offset: of the last failure"`
	Partition     int        `json:"partition"`
	Offset        int64      `json:"offset"`
	Stage         string     `json:"stage" doc:"the step that failed"`
	Class         string     `json:"class" doc:"a code and the field at fault" example:"invalid:score"`
	Message       string     `json:"message"`
	Group         string     `json:"group"`
	AppVersion    string     `json:"app_version"`
	FirstFailedAt time.Time  `json:"first_failed_at"`
	FailedAt      time.Time  `json:"failed_at"`
	Replays       int        `json:"replays" doc:"times that it was sent again"`
	Size          int        `json:"size" doc:"bytes of key and value"`
	ChangedBy     string     `json:"changed_by" doc:"who replayed or discarded it last"`
	ChangedAt     *time.Time `json:"changed_at"`
	Reason        string     `json:"reason" doc:"of a discard"`
}

// DeadLetterDetail is a dead letter with its bytes.
type DeadLetterDetail struct {
	DeadLetter
	Key       []byte             `json:"key_base64" contentEncoding:"base64"`
	Value     []byte             `json:"value_base64" contentEncoding:"base64"`
	ValueText *string            `json:"value_text" doc:"the value, where it is UTF-8; not made safe for a terminal"`
	Headers   []DeadLetterHeader `json:"headers" doc:"those of the record, without those about its failure"`
}

// DeadLetterHeader is a header of a dead letter's record.
type DeadLetterHeader struct {
	Key   string `json:"key"`
	Value []byte `json:"value_base64" contentEncoding:"base64"`
}

// DeadLetterList is one page, those that failed last first.
type DeadLetterList struct {
	Results []DeadLetter      `json:"results"`
	Next    *string           `json:"next" doc:"cursor of the next page, null at the end"`
	Reasons []DeadLetterCount `json:"reasons" doc:"open letters of the same filter, by class"`
}

// DeadLetterCount counts letters of one class.
type DeadLetterCount struct {
	Class string `json:"class"`
	Count int64  `json:"count"`
}

// DeadLetterFilter chooses letters; what is left out chooses all.
type DeadLetterFilter struct {
	State string     `json:"state,omitempty" enum:"open,replayed,discarded"`
	Topic string     `json:"topic,omitempty" maxLength:"249"`
	Stage string     `json:"stage,omitempty" maxLength:"512"`
	Class string     `json:"class,omitempty" maxLength:"512"`
	Since *time.Time `json:"since,omitempty" doc:"failed at or after"`
	Until *time.Time `json:"until,omitempty" doc:"failed before"`
}

// DeadLetterAct is the body of a replay or a discard: either ids or a filter. A
// filter that chooses all must be meant: with all, or as a dry run.
type DeadLetterAct struct {
	IDs    []string          `json:"ids,omitempty" minItems:"1" maxItems:"1000"`
	Filter *DeadLetterFilter `json:"filter,omitempty"`
	All    bool              `json:"all,omitempty" doc:"an empty filter is meant"`
	DryRun bool              `json:"dry_run,omitempty" doc:"only say what would be done"`
	Limit  int               `json:"limit,omitempty" minimum:"1" maximum:"1000" default:"100"`
	Reason string            `json:"reason,omitempty" maxLength:"500" doc:"of a discard: needed"`
}

// DeadLetterReport says what was done, or in a dry run what would be.
type DeadLetterReport struct {
	DryRun    bool                `json:"dry_run"`
	Done      int                 `json:"done"`
	Remaining int64               `json:"remaining" doc:"chosen letters that could still be done"`
	Reasons   []DeadLetterCount   `json:"reasons" doc:"of a dry run: the remaining ones by class"`
	Refused   []DeadLetterRefusal `json:"refused" doc:"chosen letters that are left alone, and why"`
}

// DeadLetterRefusal counts letters that are left alone for one reason.
type DeadLetterRefusal struct {
	Why   string `json:"why"`
	Count int64  `json:"count"`
}

// DeadLetterID is a letter's id as paths and bodies have it: without slashes.
func DeadLetterID(id string) string { return strings.ReplaceAll(id, "/", ":") }

// DeadLetterKey undoes DeadLetterID; an id with slashes stays as it is. Another is
// an Invalid error that names field.
func DeadLetterKey(field, id string) (string, error) {
	if !deadLetterID.MatchString(id) {
		return "", pulse.InvalidField(field, "want topic:partition:offset, such as reddit.posts.raw:0:1234")
	}
	return strings.ReplaceAll(id, ":", "/"), nil
}

var deadLetterID = regexp.MustCompile(`^[a-zA-Z0-9._-]{1,249}[:/][0-9]{1,10}[:/][0-9]{1,19}$`)

// FromDeadLetter gives the wire form of l without its bytes.
func FromDeadLetter(l *pulse.DeadLetter) DeadLetter {
	return DeadLetter{
		ID: DeadLetterID(l.ID), State: string(l.State), Topic: l.Topic, Partition: l.Partition, Offset: l.Offset,
		Stage: l.Stage, Class: l.Class, Message: l.Message, Group: l.Group, AppVersion: l.AppVersion,
		FirstFailedAt: l.FirstFailedAt.UTC(), FailedAt: l.FailedAt.UTC(), Replays: l.Replays, Size: l.Size,
		ChangedBy: l.ChangedBy, ChangedAt: l.ChangedAt, Reason: l.Reason,
	}
}

// FromWholeDeadLetter gives the wire form of l with its bytes.
func FromWholeDeadLetter(l *pulse.DeadLetter) DeadLetterDetail {
	d := DeadLetterDetail{
		DeadLetter: FromDeadLetter(l), Headers: []DeadLetterHeader{},
		Key: append([]byte{}, l.Key...), Value: append([]byte{}, l.Value...), // never null
	}
	if utf8.Valid(l.Value) {
		d.ValueText = new(string(l.Value))
	}
	for _, h := range l.Headers {
		d.Headers = append(d.Headers, DeadLetterHeader(h))
	}
	return d
}

// FromDeadCounts gives the wire form of counts.
func FromDeadCounts(counts []pulse.DeadCount) []DeadLetterCount {
	out := make([]DeadLetterCount, 0, len(counts))
	for _, c := range counts {
		out = append(out, DeadLetterCount(c))
	}
	return out
}

// FromDeadOutlook gives the report of what can still be done.
func FromDeadOutlook(o *pulse.DeadOutlook) DeadLetterReport {
	r := DeadLetterReport{
		Remaining: o.Ready, Reasons: FromDeadCounts(o.Reasons), Refused: make([]DeadLetterRefusal, 0, len(o.Refused)),
	}
	for _, refusal := range o.Refused {
		r.Refused = append(r.Refused, DeadLetterRefusal(refusal))
	}
	return r
}

// Domain gives the domain form of f.
func (f *DeadLetterFilter) Domain() pulse.DeadFilter {
	out := pulse.DeadFilter{State: pulse.DeadState(f.State), Topic: f.Topic, Stage: f.Stage, Class: f.Class}
	if f.Since != nil {
		out.Since = f.Since.UTC()
	}
	if f.Until != nil {
		out.Until = f.Until.UTC()
	}
	return out
}
