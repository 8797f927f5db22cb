package text_test

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"
	"golang.org/x/text/unicode/norm"

	"dev.redditpulse/shared/text"
)

func TestStorableKeepsGoodTextAndMendsBad(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":                 "",
		"plain":            "plain",
		"tab\tand\nline":   "tab\tand\nline",
		"nul\x00nul":       "nulnul",
		"half \xc3":        "half \ufffd",
		"\xff\xfe\x00both": "\ufffdboth",
		"日本 🎉":             "日本 🎉",
	} {
		if got := text.Storable(in); got != want {
			t.Errorf("Storable(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestDrawable(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ in, want string }{
		"plain ASCII":             {"Mayor says no", "Mayor says no"},
		"umlauts, composed":       {"u\u0308ber", "über"},
		"CJK":                     {"日本のニュース", "日本のニュース"},
		"Arabic stays":            {"خبر عاجل", "خبر عاجل"},
		"tab and newline":         {"a\tb\nc\r\nd", "a b c  d"},
		"separators":              {"a\u2028b\u2029c\u0085d", "a b c d"},
		"wide and hard spaces":    {"a\u3000b\u00a0c", "a b c"},
		"colour":                  {"\x1b[31mred\x1b[0m", "[31mred[0m"},
		"window title":            {"\x1b]0;owned\x07x", "]0;ownedx"},
		"clipboard by C1":         {"\u009d52;c;aGk=\u009cx", "52;c;aGk=x"},
		"backspace, bell, DEL":    {"a\x08\x07\x7fb", "ab"},
		"direction override":      {"safe\u202egpj.exe\u2066\u200f\u061c", "safegpj.exe"},
		"tags":                    {"x\U000e0041\U000e007f", "x"},
		"zero-width space, BOM":   {"a\u200bb\ufeffc\u2060d", "abcd"},
		"joined family":           {"👨\u200d👩\u200d👧", "👨👩👧"},
		"heart with selector":     {"\u2764\ufe0f", "\u2764"},
		"skin tone":               {"👍🏽", "👍"},
		"flag":                    {"🇩🇪", "🇩🇪"},
		"piled marks":             {"Z" + strings.Repeat("\u0335", 40) + "x", "Z\u0335\u0335x"},
		"Persian non-joiner":      {"می\u200cخواهم", "می\u200cخواهم"},
		"not UTF-8":               {"a\xffb", "a\ufffdb"},
		"private use, unassigned": {"\ue000\U0003fffe", "\ufffd\ufffd"},
	} {
		if got := text.Drawable(c.in); got != c.want {
			t.Errorf("%s: Drawable(%q) = %q, want %q", name, c.in, got, c.want)
		}
	}
}

func TestFitTakesExactlyItsCells(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		in    string
		cells int
		want  string
	}{
		{"abc", 5, "abc  "},
		{"abc", 3, "abc"},
		{"abcdef", 4, "abc…"},
		{"日本語", 4, "日… "},
		{"日本語", 6, "日本語"},
		{"abc", 1, "…"},
		{"abc", 0, ""},
		{"abc", -3, ""},
		{"", 2, "  "},
	} {
		if got := text.Fit(c.in, c.cells); got != c.want {
			t.Errorf("Fit(%q, %d) = %q, want %q", c.in, c.cells, got, c.want)
		}
	}
	if got := text.FitRight("42", 5); got != "   42" {
		t.Errorf("FitRight = %q", got)
	}
	if got := text.Width(text.Fit("x", 300)); got != 300 {
		t.Errorf("a wide Fit has %d cells, want 300", got)
	}
}

func FuzzStorable(f *testing.F) {
	f.Add("a\x00\xff")
	f.Fuzz(func(t *testing.T, s string) {
		got := text.Storable(s)
		if !utf8.ValidString(got) || strings.ContainsRune(got, 0) {
			t.Errorf("Storable(%q) = %q", s, got)
		}
		if text.Storable(got) != got {
			t.Errorf("Storable of %q is not stable", s)
		}
	})
}

func FuzzDrawable(f *testing.F) {
	for _, seed := range []string{
		"\x1b]52;c;aGk=\x07", "\u202e\u2066x", "é\u0301\u0301\u0301", "👨\u200d👩\u200d👧 🇩🇪🇩 1\ufe0f\u20e3",
		"\u1100\u1100\u1100\u1161\u11a8", "\u0600\u0661", "நி கி", "\u0e33\u0e33\u0e33", "\u00a9\ufe0f\u200d\u00a9",
		"a\u034fb", "\u1160\u3164x", "\u0f71\u0f72\u0f80", "ガ\uff9e", strings.Repeat("\u0300", 100), "\ud55c\u11a8\u11a8",
	} {
		f.Add(seed, 7)
	}
	f.Fuzz(func(t *testing.T, s string, cells int) {
		got := text.Drawable(s)
		if !utf8.ValidString(got) || !norm.NFC.IsNormalString(got) {
			t.Fatalf("Drawable(%q) = %q: no NFC", s, got)
		}
		apart, marks := 0, 0
		for _, r := range got {
			if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029' {
				t.Fatalf("Drawable(%q) = %q: has %U", s, got, r)
			}
			if marks++; !unicode.IsMark(r) {
				marks = 0
			}
			if marks > 3 {
				t.Fatalf("Drawable(%q) = %q: marks pile up", s, got)
			}
			if r >= 0x1f1e6 && r <= 0x1f1ff {
				apart++ // half a flag
				continue
			}
			apart += ansi.StringWidth(string(r))
		}
		if w := text.Width(got); w != apart {
			t.Fatalf("Drawable(%q) = %q: %d cells together, %d apart", s, got, w, apart)
		}
		if again := text.Drawable(got); again != got {
			t.Fatalf("Drawable(%q) = %q, again %q", s, got, again)
		}
		cells %= 500
		if w := text.Width(text.Fit(got, cells)); w != max(0, cells) {
			t.Fatalf("Fit(%q, %d) has %d cells", got, cells, w)
		}
	})
}

func BenchmarkDrawableASCII(b *testing.B) {
	for b.Loop() {
		text.Drawable("The quick brown fox jumps over the lazy dog, says the mayor of Springfield")
	}
}

func BenchmarkDrawableHostile(b *testing.B) {
	for name, s := range map[string]string{
		"jamo": strings.Repeat("\u1100", 20_000), "marks": strings.Repeat("Z\u0335\u0336\u0337", 8_000),
		"flags": strings.Repeat("🇩", 15_000), "escapes": strings.Repeat("\x1b[2J\u202e", 8_000),
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				text.Drawable(s)
			}
		})
	}
}
