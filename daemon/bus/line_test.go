package bus

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/heartbeat"
)

// broker is the other end of a line.
type broker struct {
	t    *testing.T
	conn net.Conn
}

func connected(t *testing.T) (*line, *broker) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	near, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	far, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	l := newLine(near, "test")
	t.Cleanup(func() { l.close(); far.Close() })
	return l, &broker{t, far}
}

// take reads a heartbeat and gives its generation and number.
func (b *broker) take() (generation, id int32) {
	b.t.Helper()
	_, id, _, msg, err := protocol.ReadRequest(b.conn)
	if err != nil {
		b.t.Fatal(err)
	}
	return msg.(*heartbeat.Request).GenerationID, id
}

func (b *broker) answer(id int32, code int16) {
	b.t.Helper()
	if err := protocol.WriteResponse(b.conn, 0, id, &heartbeat.Response{ErrorCode: code}); err != nil {
		b.t.Fatal(err)
	}
}

func beat(generation int32) *heartbeat.Request {
	return &heartbeat.Request{GroupID: testGroup, GenerationID: generation, MemberID: "m"}
}

func TestAGivenUpCallDoesNotTakeAnothersAnswer(t *testing.T) {
	t.Parallel()
	l, b := connected(t)
	short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := l.call(short, beat(1)); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("got %v, want the end of the wait", err)
	}
	reply, err := l.send(beat(2))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []int32{1, 2} { // in their order, the first one too
		generation, id := b.take()
		if generation != want {
			t.Fatalf("request %d has come, want %d", generation, want)
		}
		b.answer(id, int16(20+generation))
	}
	if a := <-reply; a.err != nil || a.msg.(*heartbeat.Response).ErrorCode != 22 {
		t.Errorf("got %+v, want the answer of the second request", a)
	}
}

func TestABrokenLineFailsWhatIsUnderWayAndLater(t *testing.T) {
	t.Parallel()
	for name, breakIt := range map[string]func(*broker){
		"closed":                  func(b *broker) { b.conn.Close() },
		"answers another request": func(b *broker) { _, id := b.take(); b.answer(id+1, 0) },
		"answers nonsense":        func(b *broker) { b.conn.Write([]byte{0, 0, 0, 1, 0, 0, 0, 0, 0, 0}) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, b := connected(t)
			reply, err := l.send(beat(1))
			if err != nil {
				t.Fatal(err)
			}
			breakIt(b)
			if a := <-reply; a.err == nil {
				t.Error("the request under way has an answer")
			}
			<-l.down
			if _, err := l.call(t.Context(), beat(2)); err == nil {
				t.Error("a later request has an answer")
			}
		})
	}
}

func TestAnUnaskedAnswerBreaksTheLine(t *testing.T) {
	t.Parallel()
	l, b := connected(t)
	b.answer(1, 0)
	<-l.down
}

func TestRequestsUnderWayAreBounded(t *testing.T) {
	t.Parallel()
	l, _ := connected(t)
	for range maxPending {
		if _, err := l.send(beat(1)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := l.send(beat(1)); !errors.Is(err, kafka.RequestTimedOut) {
		t.Errorf("got %v, want a refusal", err)
	}
}

func TestConnectionsToBrokersThatAreGoneAreCut(t *testing.T) {
	t.Parallel()
	there, gone := mute(t), mute(t)
	d := newDialer(newRotation([]string{there}), "test")
	defer d.shut()
	conns := make(map[string]net.Conn)
	for _, address := range []string{there, gone} {
		c, err := d.dial(t.Context(), "tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		conns[address] = c
	}
	broken := make(chan error, 1)
	go func() {
		_, err := conns[gone].Read(make([]byte, 1))
		broken <- err
	}()
	if n := d.cutExcept(map[string]bool{there: true}); n != 1 {
		t.Errorf("%d connections cut, want 1", n)
	}
	var trouble interface{ Temporary() bool }
	if err := <-broken; !errors.As(err, &trouble) {
		t.Errorf("the reader got %v, want what the library retries", err)
	}
	if _, err := conns[there].Write([]byte("x")); err != nil {
		t.Error(err)
	}
}
