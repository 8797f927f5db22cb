package score_test

import (
	"bufio"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"dev.redditpulse/daemon/score"
)

const recordedDir = "../../../shared/reddit-recorded"

// The files were made with the authors' vaderSentiment.
func TestSentimentAgreesWithTheReference(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"vader.tsv", "vader_titles_use.tsv"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rows, agreed := referenceRows(t, name), 0
			for _, want := range rows {
				got := referenceRow{text: want.text, compound: score.Sentiment(want.text)}
				got.pos, got.neu, got.neg = score.VaderShares(want.text)
				if got == want {
					agreed++
				} else {
					t.Errorf("got %+v, want %+v", got, want)
				}
			}
			t.Logf("%d of %d texts agree (%.2f %%)", agreed, len(rows), 100*float64(agreed)/float64(len(rows)))
		})
	}
}

type referenceRow struct {
	text                    string
	compound, pos, neu, neg float64
}

func referenceRows(tb testing.TB, name string) []referenceRow {
	tb.Helper()
	f, err := os.Open(filepath.Join(recordedDir, name))
	if os.IsNotExist(err) {
		tb.Skipf("%s is not here", recordedDir)
	}
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	unescape := strings.NewReplacer(`\\`, `\`, `\n`, "\n", `\r`, "\r", `\t`, "\t")
	var rows []referenceRow
	lines := bufio.NewScanner(f)
	lines.Scan() // the header
	for lines.Scan() {
		cells := strings.Split(lines.Text(), "\t")
		if len(cells) != 6 {
			tb.Fatalf("%s: %d columns in %q", name, len(cells), lines.Text())
		}
		row := referenceRow{text: unescape.Replace(cells[5])}
		for i, cell := range []*float64{&row.compound, &row.pos, &row.neu, &row.neg} {
			if *cell, err = strconv.ParseFloat(cells[i], 64); err != nil {
				tb.Fatal(err)
			}
		}
		rows = append(rows, row)
	}
	if err := lines.Err(); err != nil || len(rows) == 0 {
		tb.Fatalf("%s: %d rows, %v", name, len(rows), err)
	}
	return rows
}

// Each figure was computed by the reference.
var sentimentCases = []struct {
	property, text string
	want           float64
}{
	{"is 0 without words of the lexicon", "The train leaves at nine", 0},
	{"is 0 without words", " \t ", 0},
	{"grows with the sum, within bounds", strings.Repeat("love ", 40), 0.9995},
	{"strips punctuation off words", `"Terrible", (terrible)...`, -0.7351},
	{"keeps emoticons whole", "new patch :( again", -0.4404},
	{"keeps short words whole", `"ok"`, 0},
	{"does not look inside words", "terrible's well-liked", 0},
	{"counts an exclamation", "nice update!", 0.4753},
	{"counts four exclamations at most", "nice update!!!!!!!", 0.6083},
	{"passes over one question mark", "nice update?", 0.4215},
	{"counts two question marks", "nice update??", 0.4871},
	{"counts many question marks as one size", "nice update?????", 0.5803},
	{"takes no emphasis where nothing is felt", "an update!!!", 0},
	{"hears capitals among small letters", "a GREAT update", 0.7034},
	{"hears no capitals where all are", "A GREAT UPDATE", 0.6249},
	{"takes Ⅷ for a capital", "GREAT Ⅷ", 0.6249},
	{"boosts", "a really great update", 0.659},
	{"boosts more in capitals", "a REALLY great update", 0.7291},
	{"boosts less from afar", "a really very long great update", 0.6851},
	{"boosts the negative downwards", "an extremely terrible update", -0.5256},
	{"dampens", "a hardly great update", 0.5868},
	{"dampens behind kind of", "it was all kind of great", 0.5868},
	{"denies", "this is not great", -0.5096},
	{"denies over a word", "this isn't a terribly great update", -0.0951},
	{"denies without an apostrophe", "this isnt great", -0.5096},
	{"denies a denial", "nobody didn't never love it", 0.4122},
	{"praises with never so", "it was never so great", 0.8075},
	{"praises with so behind two words", "it was so great", 0.7384},
	{"denies nothing without doubt", "without doubt great", 0.7359},
	{"lets no deny", "no great loss", -0.3252},
	{"lets no stand alone", "no", -0.296},
	{"lets no deny over an or", "no good or great update", -0.6908},
	{"lets least deny", "the least great update", -0.5096},
	{"lets at least be", "well at least great", 0.7351},
	{"lets the very least be", "the very least great", 0.6573},
	{"knows idioms", "that new band is the bomb", 0.6124},
	{"knows idioms of three words", "what a sweet kiss of death", -0.5267},
	{"knows no idiom before the fourth word", "the bomb", -0.4939},
	{"knows that a bus stop is nothing bad", "wait at the bus stop", 0},
	{"turns at but", "great start but terrible end", -0.3818},
	{"turns at the first but only", "great but terrible but great", 0.6187},
	{"gives the first of equal weights the factors of all", "plain but love and love", 0.9274},
	{"reads emoji by their names", "update 😂", 0.4404},
	{"parts emoji from what stands before", "update😂", 0.4404},
	{"does not part emoji from what follows", "😂update", -0.2263},
	{"does not know emoji of several code points", "❤️", 0},
	{"splits at the spaces of Unicode", "a\u3000great\u00a0update", 0.6249},
	{"splits at the separators of ASCII", "a\x1cgreat\x1fupdate", 0.6249},
	{"takes the sign of kelvin for a k", "\u212aill the process", -0.6908},
	{"does not take İ for an i", "a wİn", 0},
	{"takes bytes that are not UTF-8", "great \xff\xfe update", 0.6249},
}

func TestSentiment(t *testing.T) {
	t.Parallel()
	for _, c := range sentimentCases {
		t.Run(c.property, func(t *testing.T) {
			t.Parallel()
			if got := score.Sentiment(c.text); got != c.want {
				t.Errorf("%q: got %v, want %v", c.text, got, c.want)
			}
		})
	}
}

func TestSentimentOfALongTextCountsEveryWord(t *testing.T) {
	t.Parallel()
	plain := strings.Repeat("word ", 10_000)
	if got, want := score.Sentiment(plain+"great"), score.Sentiment("word great"); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestSentimentTablesAreWhole(t *testing.T) {
	t.Parallel()
	lexicon, words, emoji, longest := score.VaderTables()
	if lexicon != 7506 || words != 7638 || emoji != 1212 {
		t.Errorf("got %d words of the lexicon, %d in all and %d emoji, want 7506, 7638 and 1212", lexicon, words, emoji)
	}
	if longest > score.VaderLongest {
		t.Errorf("a word of %d bytes is never found, the limit is %d", longest, score.VaderLongest)
	}
}

func FuzzSentiment(f *testing.F) {
	for _, c := range sentimentCases {
		f.Add(c.text)
	}
	f.Add("but but \xf0\x9f\x98 n't't 😂\u200d😂 \u0130\u212a NO no nor")
	f.Fuzz(func(t *testing.T, text string) {
		got := score.Sentiment(text)
		if math.IsNaN(got) || got < -1 || got > 1 || got == 0 && math.Signbit(got) {
			t.Fatalf("%q: got %v, want -1 to 1", text, got)
		}
		if again := score.Sentiment(text); again != got {
			t.Fatalf("%q: got %v, then %v", text, got, again)
		}
	})
}

const (
	titlePlain = "Why was the new update so badly received? I think it's great, but my friends are not happy at all"
	titleEmoji = "Look at this happy little guy 😂❤️ he was never this good before!!"
)

func BenchmarkSentiment(b *testing.B) {
	for name, text := range map[string]string{"plain": titlePlain, "emoji": titleEmoji} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				score.Sentiment(text)
			}
		})
	}
	b.Run("recorded", func(b *testing.B) {
		rows := referenceRows(b, "vader_titles_use.tsv")
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			score.Sentiment(rows[i%len(rows)].text)
			i++
		}
	})
}
