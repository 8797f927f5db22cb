package process

import (
	"strings"

	"dev.redditpulse/shared/pulse"
)

// What stands in the place of a deleted post's words.
const (
	deletedTitle  = "[deleted by its author]"
	deletedAuthor = "[deleted]"
)

// dropText leaves of a post that its author deleted what it was, not what it
// said: Reddit still gives the words, but they are no longer ours to keep. The
// end of a permalink is made of the title's. This reading is newer than those
// with the words, so that in the database it takes their place.
func dropText(o *pulse.Observation) {
	o.Title, o.Author, o.URL, o.Flair = deletedTitle, deletedAuthor, "", nil
	o.Permalink = "/r/" + o.Subreddit + "/comments/" + strings.TrimPrefix(o.PostID, "t3_") + "/"
}
