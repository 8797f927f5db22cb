package embedded

import (
	"os"
	"testing"
	"time"
)

func TestThePublishedBundleRuns(t *testing.T) {
	if os.Getenv("PULSE_TEST_DOWNLOAD") == "" {
		t.Skip("PULSE_TEST_DOWNLOAD is not set: it downloads 15 MB")
	}
	cache := openDir(t)
	begun := time.Now()
	found, err := finder{
		acct: serverAccount(cache), bundle: published(cache),
		say: func(line string) { t.Log(line) },
	}.find(within(t, 5*time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("version %s after %s", found.version, time.Since(begun))
	t.Setenv("PULSE_POSTGRES_BIN", found.dir)
	streams(t, startPair(t, openDir(t)), "first")
}
