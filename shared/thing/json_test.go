package thing

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// against compares the reader with encoding/json.
func against(t *testing.T, text []byte) {
	t.Helper()
	r := reader{text: text}
	if got, want := r.skip() && r.ended(), json.Valid(text); got != want {
		t.Fatalf("%.200q: JSON is %v, want %v (stopped at %d)", text, got, want, r.at)
	}
	var quoted string
	wanted := json.Unmarshal(text, &quoted)
	r = reader{text: text}
	if value, ok := r.value(); ok && r.ended() && string(text) != "null" {
		if got, isText := textOf(value); isText != (wanted == nil) || isText && got != quoted {
			t.Fatalf("%.200q: text %q %v, want %q %v", text, got, isText, quoted, wanted)
		}
	}
	var members map[string]json.RawMessage
	if strings.ContainsRune(string(text), '\\') || json.Unmarshal(text, &members) != nil || members == nil {
		return // names with escapes are not known
	}
	o := Object{}
	r = reader{text: text}
	if !r.object(func(name []byte) bool { return o.member(&r, name) }) {
		t.Fatalf("%.200q: no object", text)
	}
	for name, want := range members {
		if f, known := fieldOf([]byte(`"` + name + `"`)); known && string(o.fields[f]) != string(want) {
			t.Fatalf("%s is %q, want %q", name, o.fields[f], want)
		}
	}
}

func TestTheGrammarIsThatOfTheStandardLibrary(t *testing.T) {
	t.Parallel()
	deep := func(n int) string { return strings.Repeat(`[{"a":`, n/2) + "1" + strings.Repeat("}]", n/2) }
	for _, text := range []string{
		``, ` `, `{`, `{}`, `[]`, `[ ]`, `{ }`, `[1,]`, `{"a":1,}`, `{"a"}`, `{a:1}`, `{"a":1}}`, `[1 2]`, `{"a":1"b":2}`,
		`0`, `-0`, `01`, `-`, `1.`, `.5`, `1.5`, `1e5`, `1E+5`, `1e`, `1e+`, `+1`, `0x1`, `1.5.5`, `--1`, `1e5.5`,
		`true`, `tru`, `truee`, `null`, `nul`, `false`, `falsy`, `"`, `"a`, `"a"`, `"\`, `"\"`, `"\u12"`, `"\u12G4"`, `"\u1234"`,
		`"\x"`, "\"\x01\"", "\"\x1f12345678\"", "\"12345678\x1f\"", "\"\x7f\xff\xfe\"", `"\ud83c\udf89\ud83c"`, "\xef\xbb\xbf{}",
		"\t{\r\n\"a\" : [ 1 , 2 ] }\n", `{"id":1,"id":"x"}`, `{"title":{"title":1}}`, `"` + strings.Repeat("é", 100) + `\n"`,
		deep(9_998), deep(10_000), deep(10_002), strings.Repeat("[", 1_000_000), "\x00", `{"a":1}` + "\x00", `[` + "\x00" + `]`,
	} {
		against(t, []byte(text))
	}
	// A quote, a backslash or a control character at every place of a word.
	for at := range 40 {
		for _, b := range []string{`"`, `\`, `\"`, "\x1f", "\x00", " ", "!", "#", "[", "]", "\x80", "\xff", "\u00a0"} {
			against(t, []byte(`"`+strings.Repeat("x", at)+b+strings.Repeat("y", 40-at)+`"`))
		}
	}
}

func TestRecordedBodiesAreReadAsTheStandardLibraryReadsThem(t *testing.T) {
	t.Parallel()
	files, _ := filepath.Glob("../../../shared/reddit-recorded/*.json")
	if len(files) == 0 {
		t.Skip("no recordings here: they are no part of the project")
	}
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		against(t, body)
		against(t, body[:len(body)*2/3])
	}
}

func FuzzReader(f *testing.F) {
	f.Add([]byte(`{"id":"a","title":"b\u00e9","x":[1,-2.5e3,{"y":null}],"over_18":true}`))
	f.Add([]byte(`"plain text that is longer than a word \ud83c\udf89"`))
	f.Add([]byte(" [ 0 , 1e9 ] "))
	f.Fuzz(against)
}

func BenchmarkArchived(b *testing.B) {
	line := []byte(bare(`selftext="`+strings.Repeat("some words of a text, ", 50)+`"`, `retrieved_on=1777888060`,
		`media_metadata={"x":[`+strings.Repeat(`{"u":"https://x.example/preview","x":108,"y":60},`, 20)+`1]}`))
	b.SetBytes(int64(len(line)))
	b.ReportAllocs()
	for b.Loop() {
		object, err := Parse(line)
		if err == nil {
			_, err = object.Archived(now)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}
