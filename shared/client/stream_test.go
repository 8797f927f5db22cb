package client_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"dev.redditpulse/shared/client"
	"dev.redditpulse/shared/client/clienttest"
	"dev.redditpulse/shared/pulse"
	"dev.redditpulse/shared/wire"
)

// follower reads a stream in a test.
type follower struct {
	t      *testing.T
	events <-chan client.Event
}

func follow(t *testing.T, c *client.Client) follower {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	events := c.Stream(ctx, wire.Filter{})
	t.Cleanup(func() {
		cancel()
		for range events { // until the stream has let go
		}
	})
	return follower{t, events}
}

// next gives the next event, leaving out heartbeats.
func (f follower) next() client.Event {
	f.t.Helper()
	for {
		select {
		case e, ok := <-f.events:
			if !ok {
				f.t.Fatal("the stream has ended")
			}
			if _, beat := e.(client.Heartbeat); !beat {
				return e
			}
		case <-time.After(5 * time.Second):
			f.t.Fatal("no event within 5 s")
		}
	}
}

// until gives the next event of a kind and skips the others.
func until[T client.Event](f follower) T {
	f.t.Helper()
	for {
		if e, ok := f.next().(T); ok {
			return e
		}
	}
}

func ids(posts []wire.Post) []string {
	out := []string{}
	for _, p := range posts {
		out = append(out, p.ID)
	}
	return out
}

func TestStreamBeginsWithASnapshotAndGoesOn(t *testing.T) {
	t.Parallel()
	srv, c := start(t, "vera")
	srv.Publish(clienttest.Post(1))
	f := follow(t, c)
	if hello := until[client.Connected](f); hello.Again || hello.ServerTime.IsZero() {
		t.Errorf("hello is %+v", hello)
	}
	if snap := until[client.Snapshot](f); len(snap.Posts) != 1 || snap.Place.Seq != 1 {
		t.Errorf("snapshot is %+v", snap)
	}
	srv.Publish(clienttest.Post(2), clienttest.Post(3))
	got := until[client.Posts](f)
	if !slices.Equal(ids(got.Posts), []string{"t3_p00002", "t3_p00003"}) || got.Place != (client.Place{Epoch: "e1", Seq: 3}) {
		t.Errorf("posts are %+v", got)
	}
}

func TestStreamLosesAndDoublesNothingOverCutConnections(t *testing.T) {
	t.Parallel()
	srv, c := start(t, "vera")
	f := follow(t, c)
	until[client.Snapshot](f)
	const cuts, each = 20, 25
	go func() {
		for i := range cuts * each {
			srv.Publish(clienttest.Post(i))
			switch {
			case i%each != each-1:
			case i%2 == 0:
				srv.Drop()
			default:
				srv.CloseWith(wire.CloseRestart, "restart")
			}
		}
	}()
	seen := []string{}
	for len(seen) < cuts*each {
		switch e := f.next().(type) {
		case client.Posts:
			seen = append(seen, ids(e.Posts)...)
		case client.Gap, client.Snapshot, client.Terminal:
			t.Fatalf("unexpected %#v", e)
		}
	}
	for i, id := range seen {
		if want := clienttest.Post(i).ID; id != want {
			t.Fatalf("place %d holds %s, want %s", i, id, want)
		}
	}
}

func TestStreamTellsOfWhatIsLost(t *testing.T) {
	t.Parallel()
	srv, c := start(t, "vera")
	srv.Publish(clienttest.Post(1))
	f := follow(t, c)
	until[client.Snapshot](f)

	five, six := uint64(5), uint64(6)
	posts := []wire.Post{clienttest.Post(9)}
	srv.Send(wire.ServerFrame{Type: wire.FramePosts, Epoch: "e1", From: &five, To: &six, Posts: &posts})
	if gap := until[client.Gap](f); gap != (client.Gap{From: 2, To: 4}) {
		t.Errorf("a hole in the numbers gave %+v", gap)
	}
	srv.Send(wire.ServerFrame{Type: wire.FramePosts, Epoch: "e1", From: &five, To: &five, Posts: &posts})
	eight := uint64(8)
	srv.Send(wire.ServerFrame{Type: wire.FrameSnapshot, Epoch: "e1", Seq: &eight, Posts: &posts})
	if gap := until[client.Gap](f); gap != (client.Gap{From: 7, To: 8}) {
		t.Errorf("a snapshot in between gave %+v", gap)
	}
	srv.Lose(9)
	srv.Drop()
	if e := until[client.Connected](f); !e.Again || e.Resumed != wire.Snapshot {
		t.Errorf("back with %+v", e)
	}
	if gap := until[client.Gap](f); gap != (client.Gap{From: 9, To: 10}) {
		t.Errorf("a forgotten log gave %+v", gap)
	}
	until[client.Snapshot](f)

	srv.SetEpoch("e2")
	srv.Drop()
	if gap := until[client.Gap](f); gap != (client.Gap{}) {
		t.Errorf("a new epoch gave %+v", gap)
	}
	if snap := until[client.Snapshot](f); snap.Place.Epoch != "e2" {
		t.Errorf("snapshot of %+v", snap.Place)
	}
}

func TestStreamRenewsItsToken(t *testing.T) {
	t.Parallel()
	srv, c := start(t, "vera")
	f := follow(t, c)
	until[client.Snapshot](f)

	soon := time.Now().Add(time.Minute)
	srv.Send(wire.ServerFrame{Type: wire.FrameTokenExpiring, At: &soon})
	deadline := time.Now().Add(5 * time.Second)
	for len(srv.Auths()) == 0 && time.Now().Before(deadline) {
		srv.Publish(clienttest.Post(1))
		until[client.Posts](f)
	}
	if got := srv.Auths(); len(got) != 1 || srv.Refreshes() != 1 {
		t.Fatalf("%d auth frames after %d refreshes, want 1 and 1", len(got), srv.Refreshes())
	}

	srv.ExpireAccess()
	srv.CloseWith(wire.CloseToken, "")
	if e := until[client.Connected](f); e.Resumed != wire.NothingMissed {
		t.Errorf("back with %+v", e)
	}
	if n := srv.Refreshes(); n != 2 {
		t.Errorf("%d refreshes, want 2", n)
	}

	srv.ExpireAll()
	srv.CloseWith(wire.CloseToken, "")
	if e := until[client.Terminal](f); pulse.CodeOf(e.Err) != pulse.Unauthenticated {
		t.Errorf("a dead session ended with %v", e.Err)
	}
	if _, open := <-f.events; open {
		t.Error("the channel is still open")
	}
}

func TestStreamCloseCodes(t *testing.T) {
	t.Parallel()
	for code, want := range map[int]pulse.Code{1008: pulse.Forbidden, 4403: pulse.Forbidden} {
		srv, c := start(t, "vera")
		f := follow(t, c)
		until[client.Snapshot](f)
		srv.CloseWith(code, "not you")
		if e := until[client.Terminal](f); pulse.CodeOf(e.Err) != want || !strings.Contains(e.Err.Error(), "not you") {
			t.Errorf("%d ended with %v", code, e.Err)
		}
	}
	srv, c := start(t, "vera")
	f := follow(t, c)
	until[client.Snapshot](f)
	for _, code := range []int{1001, 1012, 1009, 4400, 4408, 4409, 4429, 4999, 1000} {
		srv.CloseWith(code, fmt.Sprint("say ", code))
		if e := until[client.Disconnected](f); !strings.Contains(e.Err.Error(), fmt.Sprint("say ", code)) {
			t.Errorf("%d: %v", code, e.Err)
		}
		if e := until[client.Connected](f); e.Resumed != wire.NothingMissed {
			t.Errorf("%d: back with %+v", code, e)
		}
	}
}

func TestStreamWithoutOrWithRefusedTokens(t *testing.T) {
	t.Parallel()
	srv, c := start(t, "")
	if e := until[client.Terminal](follow(t, c)); pulse.CodeOf(e.Err) != pulse.Unauthenticated {
		t.Errorf("without a token: %v", e.Err)
	}
	c.SetToken("a.b.c")
	if e := until[client.Terminal](follow(t, c)); pulse.CodeOf(e.Err) != pulse.Unauthenticated {
		t.Errorf("with rubbish: %v", e.Err)
	}
	c.SetTokens(srv.Tokens("vera"))
	srv.ExpireAccess()
	until[client.Snapshot](follow(t, c)) // renewed on the way
	srv.SetStatus(503)
	f := follow(t, c)
	if e := until[client.Disconnected](f); pulse.CodeOf(e.Err) != pulse.Unavailable {
		t.Errorf("503: %v", e.Err)
	}
	srv.SetStatus(0)
	until[client.Snapshot](f)
}

func TestStreamSurvivesHostileFrames(t *testing.T) {
	t.Parallel()
	srv, c := start(t, "vera")
	f := follow(t, c)
	until[client.Snapshot](f)
	for _, body := range []string{
		"", "null", "[]", `{"type":"posts"}`, `{"type":"posts","from":9,"to":1}`, `{"type":"hello"}`,
		strings.Repeat(`{"a":`, 20_000), "\xff\xfe", `{"type":"heartbeat","seq":-1}`,
	} {
		srv.SendRaw([]byte(body))
		if e := until[client.Disconnected](f); !strings.Contains(e.Err.Error(), "cannot be read") {
			t.Errorf("%.40q: %v", body, e.Err)
		}
		until[client.Connected](f)
	}
	srv.SendRaw([]byte(`{"type":"tomorrow","x":[1]}`))
	srv.SendRaw([]byte(`{"type":"posts","epoch":"e1","from":1,"to":1,"posts":[{"id":"../../x"},{"id":"t3_ok"}]}`))
	if got := until[client.Posts](f); !slices.Equal(ids(got.Posts), []string{"t3_ok"}) {
		t.Errorf("posts are %v", ids(got.Posts))
	}
}

func TestASlowConsumerHoldsTheReaderAndLosesNothing(t *testing.T) {
	t.Parallel()
	srv, c := start(t, "vera")
	f := follow(t, c)
	const n = 400 // far more frames than the channel takes
	until[client.Snapshot](f)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range n {
			srv.Publish(clienttest.Post(i))
		}
	}()
	<-done
	got := 0
	for got < n {
		got += len(until[client.Posts](f).Posts)
	}
	if got != n {
		t.Errorf("%d posts, want %d", got, n)
	}
}

func TestPausesGrowAndStayBounded(t *testing.T) {
	t.Parallel()
	c, err := client.New(client.Config{BaseURL: "http://localhost"})
	if err != nil {
		t.Fatal(err)
	}
	for n := range 1000 {
		want := 10 * time.Second
		if n < 6 {
			want = min(want, 250*time.Millisecond<<n)
		}
		if got := c.Wait(n); got < want/2 || got > want {
			t.Fatalf("pause %d is %s, want %s to %s", n, got, want/2, want)
		}
	}
}

// FuzzServerFrame sends any bytes as a frame of the server through a socket
// into the stream: it must go on or come back, never break.
func FuzzServerFrame(f *testing.F) {
	for _, seed := range []string{
		`{"type":"hello","epoch":"e2","seq":3,"resumed":"replayed","heartbeat_seconds":1e300}`,
		`{"type":"posts","epoch":"e9","from":18446744073709551615,"to":18446744073709551615,"posts":null}`,
		`{"type":"posts","from":7,"to":9,"posts":[{"id":"t3_x","trend":{}}]}`,
		`{"type":"snapshot","epoch":"","seq":1}`, `{"type":"snapshot","epoch":"e1","seq":0,"posts":[{}]}`,
		`{"type":"token_expiring","at":"nope"}`, `{"type":"notice","code":"\u001b[2J"}`, "\x00", `{"type":"heartbeat","seq":5}`,
	} {
		f.Add([]byte(seed))
	}
	srv := clienttest.Start()
	f.Cleanup(srv.Close)
	f.Fuzz(func(t *testing.T, body []byte) {
		c := newClient(t, srv.URL)
		c.SetTokens(srv.Tokens("vera"))
		fo := follow(t, c)
		until[client.Snapshot](fo)
		srv.SendRaw(body)
		srv.SendRaw([]byte(`{"type":"notice","code":"end"}`))
		for {
			switch e := fo.next().(type) {
			case client.Terminal:
				t.Fatalf("%q ended the stream: %v", body, e.Err)
			case client.Connected:
				if e.Again {
					return
				}
			case client.Notice:
				if e.Code == "end" {
					return
				}
			}
		}
	})
}
