package reddit

import (
	"encoding/json"
	"errors"
	"time"

	"dev.redditpulse/shared/pulse"
	"dev.redditpulse/shared/thing"
)

// decodeListing turns a page into observations made at observedAt. A t3 that
// lacks what makes it a post, or whose figures are impossible, is skipped and
// counted; children of other kinds are passed over. now bounds what times are
// possible.
func decodeListing(body []byte, source string, observedAt, now time.Time) (pulse.ListingPage, error) {
	return thing.Listing(body, source, observedAt, now)
}

// onlyTypes tells whether a JSON error is about fields of the wrong type, in
// spite of which everything else was decoded.
func onlyTypes(err error) bool {
	var typed *json.UnmarshalTypeError
	return errors.As(err, &typed)
}

// opened is when Reddit began: a clock that says an earlier time is wrong.
var opened = time.Date(2005, 6, 1, 0, 0, 0, 0, time.UTC)
