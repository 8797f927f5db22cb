package auth

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"dev.redditpulse/shared/pulse"
)

func TestRefreshTokenNamesItsRow(t *testing.T) {
	t.Parallel()
	s := newTestSigner(t, at(start))
	token, row, err := s.NewRefresh(alice)
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.ParseRefresh(token)
	if err != nil || !sameRow(got, row) {
		t.Fatalf("ParseRefresh = %+v, %v; want %+v", got, err, row)
	}
	if want := start.Add(7 * 24 * time.Hour); !row.ExpiresAt.Equal(want) || row.UserID != 7 || len(row.Hash) != 32 {
		t.Errorf("row = %+v, want user 7, 32 bytes of hash, until %s", row, want)
	}
	if _, other, _ := s.NewRefresh(alice); other.Family == row.Family || bytes.Equal(other.Hash, row.Hash) {
		t.Error("two log-ins share a family or a token")
	}
	if _, err := s.VerifyAccess(token); !errors.Is(err, errToken) {
		t.Errorf("a refresh token as access token: %v, want %v", err, errToken)
	}
	access, _, _ := s.Access(alice, row.Family)
	if _, err := s.ParseRefresh(access); !errors.Is(err, errToken) {
		t.Errorf("an access token as refresh token: %v, want %v", err, errToken)
	}
}

func sameRow(a, b pulse.RefreshToken) bool {
	return bytes.Equal(a.Hash, b.Hash) && a.Family == b.Family && a.UserID == b.UserID &&
		a.IssuedAt.Equal(b.IssuedAt) && a.ExpiresAt.Equal(b.ExpiresAt)
}

func TestSuccessorIsAFunctionOfItsPredecessor(t *testing.T) {
	t.Parallel()
	clock := start
	s := newTestSigner(t, func() time.Time { return clock })
	token, row, err := s.NewRefresh(alice)
	if err != nil {
		t.Fatal(err)
	}
	used := start.Add(time.Hour + 345*time.Millisecond)
	clock = used
	first, firstRow, err := s.Successor(row, used)
	if err != nil {
		t.Fatal(err)
	}
	clock = used.Add(9 * time.Second)
	parsed, err := s.ParseRefresh(token)
	if err != nil {
		t.Fatal(err)
	}
	again, againRow, err := s.Successor(parsed, used)
	if err != nil || again != first || !sameRow(firstRow, againRow) {
		t.Errorf("asked again: %q, %v; want %q", again, err, first)
	}
	if got, err := s.ParseRefresh(first); err != nil || !sameRow(got, firstRow) || got.Family != row.Family {
		t.Errorf("successor parses to %+v, %v; want %+v", got, err, firstRow)
	}
	if later, _, _ := s.Successor(row, used.Add(time.Minute)); later == first {
		t.Error("a successor of another time is the same token")
	}
	if _, second, _ := s.Successor(firstRow, used); bytes.Equal(second.Hash, firstRow.Hash) {
		t.Error("the successor's successor is the same")
	}
}

func TestFamilyEndsHoweverOftenItIsUsed(t *testing.T) {
	t.Parallel()
	clock := start
	s := newTestSigner(t, func() time.Time { return clock })
	_, row, err := s.NewRefresh(alice)
	if err != nil {
		t.Fatal(err)
	}
	end := start.Add(minFamilyLife)
	for clock.Before(end) {
		_, next, err := s.Successor(row, clock)
		if err != nil {
			t.Fatalf("after %s: %v", clock.Sub(start), err)
		}
		if next.ExpiresAt.After(end) {
			t.Fatalf("after %s a token lives until %s, past its family's end %s", clock.Sub(start), next.ExpiresAt, end)
		}
		row, clock = next, clock.Add(5*24*time.Hour)
	}
	if _, _, err := s.Successor(row, clock); pulse.CodeOf(err) != pulse.Unauthenticated {
		t.Errorf("past the end: Successor = %v, want unauthenticated", err)
	}
}

func TestFamilyKnowsItsBirth(t *testing.T) {
	t.Parallel()
	born := start.Add(123 * time.Millisecond)
	if got, ok := familyBorn(newFamily(born)); !ok || !got.Equal(born) {
		t.Errorf("familyBorn = %s, %t; want %s", got, ok, born)
	}
	for _, bad := range []string{"", "family", "0195c2a0-0000-4000-8000-000000000000", "0195c2a0-0000-7000-8000-00000000000g", "0195c2a00000-7000-8000-0000-00000000"} {
		if _, ok := familyBorn(bad); ok {
			t.Errorf("%q counts as a family", bad)
		}
	}
}
