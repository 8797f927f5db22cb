package dump

// maxSeen bounds the memory of a file with very many posts, to about half a
// gigabyte. Posts beyond it count as seen for the first time each time, which
// sends them to the other topic and changes nothing else.
const maxSeen = 20_000_000

// seen are the posts that a file has shown already: the digits of their ids,
// which 64 bits hold.
type seen map[uint64]struct{}

// first tells whether the post is met for the first time, and notes it.
func (s seen) first(id string) bool {
	var n uint64
	for _, b := range []byte(id[len("t3_"):]) {
		d := uint64(b - '0')
		if b >= 'a' {
			d = uint64(b-'a') + 10
		}
		n = n*36 + d
	}
	if _, there := s[n]; there {
		return false
	}
	if len(s) < maxSeen {
		s[n] = struct{}{}
	}
	return true
}
