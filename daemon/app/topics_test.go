package app_test

import (
	"bytes"
	"strings"
	"testing"

	"dev.redditpulse/daemon/app"
	"dev.redditpulse/daemon/embedded"
)

func topics(t *testing.T, broker string, args ...string) (code int, out, words string) {
	t.Helper()
	var o, w bytes.Buffer
	env := []string{"PULSE_KAFKA_BROKERS=" + broker, "PULSE_KAFKA_REPLICATION_FACTOR=1", "PULSE_KAFKA_MIN_INSYNC_REPLICAS=1"}
	code = app.Main(append([]string{"topics", "--config", "../../pulse.toml"}, args...), env, strings.NewReader(""), &o, &w)
	return code, o.String(), w.String()
}

func TestTopicsGrowByCommand(t *testing.T) {
	t.Parallel()
	k, err := embedded.StartKafka(t.Context(), embedded.KafkaConfig{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	broker := k.Brokers()[0]
	if code, _, words := topics(t, broker, "grow", "--partitions", "6"); code != 1 || !strings.Contains(words, "pulse topics ensure") {
		t.Errorf("without topics: exit %d, %q, want 1 and what to run", code, words)
	}
	if code, _, words := topics(t, broker, "ensure"); code != 0 {
		t.Fatalf("ensure: exit %d, %q", code, words)
	}
	for range 2 {
		code, out, words := topics(t, broker, "grow", "--partitions", "6")
		if code != 0 || out != "" || !strings.Contains(words, "every topic has 6 partitions") || !strings.Contains(words, "kafka.partitions = 6") {
			t.Errorf("grow: exit %d, %q, %q", code, out, words)
		}
	}
	if _, out, _ := topics(t, broker, "describe"); strings.Count(out, "partition 5") != 3 {
		t.Errorf("described as\n%s", out)
	}
	if code, _, words := topics(t, broker, "grow", "--partitions", "4"); code != 1 || !strings.Contains(words, "no topic shrinks") {
		t.Errorf("shrink: exit %d, %q", code, words)
	}
	for _, args := range [][]string{{"grow"}, {"grow", "--partitions", "65"}, {"grow", "--partitions", "six"}} {
		if code, _, words := topics(t, broker, args...); code != 2 {
			t.Errorf("%v: exit %d, %q, want 2", args, code, words)
		}
	}
}
