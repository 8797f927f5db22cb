package pulse

import "time"

// MaxReplays is how often a dead letter may be sent again: what fails so often is
// not mended.
const MaxReplays = 3

// DeadForeign is the class of a letter of which nobody knows where it came from:
// it cannot be sent again.
const DeadForeign = "foreign"

// DeadState is what has become of a dead letter.
type DeadState string

// The states of a dead letter.
const (
	DeadOpen      DeadState = "open"
	DeadReplayed  DeadState = "replayed"  // sent again, and not failed since
	DeadDiscarded DeadState = "discarded" // given up, with a reason
)

// DeadLetter is a record that could not be stored, its bytes verbatim.
type DeadLetter struct {
	ID            string // topic/partition/offset of the first failure
	State         DeadState
	Topic         string // this and the next two: of the last failure
	Partition     int
	Offset        int64
	Stage         string // the step that failed
	Class         string // what it failed of: a code and the field
	Message       string
	Group         string
	AppVersion    string
	FirstFailedAt time.Time
	FailedAt      time.Time
	Replays       int // times that it was sent again
	Size          int // bytes of key and value
	ChangedBy     string
	ChangedAt     *time.Time
	Reason        string // of a discard

	// Only of a letter that was asked for by itself, or is to be replayed.
	Key, Value []byte
	Headers    []DeadHeader // those of the record, without ours about the failure
}

// DeadHeader is a header of a dead letter's record.
type DeadHeader struct {
	Key   string `json:"key"`
	Value []byte `json:"value"`
}

// DeadFilter chooses dead letters. The zero value chooses all.
type DeadFilter struct {
	State        DeadState // "": any
	Topic        string
	Stage        string
	Class        string
	Since, Until time.Time // failed at or after, and before; zero: no bound
}

// DeadQuery is one page of dead letters, those that failed last first.
type DeadQuery struct {
	Filter DeadFilter
	After  *DeadPlace // continue behind it; nil: from the top
	Limit  int
}

// DeadPlace is a dead letter's place in a list.
type DeadPlace struct {
	FailedAt time.Time
	ID       string
}

// DeadChoice names dead letters to act on: these, or those that a filter chooses.
type DeadChoice struct {
	IDs    []string
	Filter *DeadFilter // nil: by IDs
}

// DeadCount counts letters of one kind.
type DeadCount struct {
	Class string
	Count int64
}

// DeadRefusal counts letters that an act leaves alone, and why.
type DeadRefusal struct {
	Why   string
	Count int64
}

// DeadOutlook says what an act on dead letters would do.
type DeadOutlook struct {
	Ready   int64 // would be acted on
	Reasons []DeadCount
	Refused []DeadRefusal
}
