package config_test

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"dev.redditpulse/shared/config"
)

func TestPulseTomlDocumentsEverySettingWithItsDefault(t *testing.T) {
	t.Parallel()
	const path = "../../pulse.toml"
	l, err := config.Load(config.Source{File: path})
	if err != nil {
		t.Fatal(err)
	}
	want := config.Default()
	want.Feed.Origins = []string{}
	if got := fmt.Sprintf("%+v", l.Config); got != fmt.Sprintf("%+v", want) {
		t.Errorf("pulse.toml differs from the defaults:\n got %s\nwant %+v", got, want)
	}
	for _, key := range config.Keys() {
		if l.Origin[key] != path {
			t.Errorf("%s is not in pulse.toml", key)
		}
	}
}

func TestStrongerSourcesWin(t *testing.T) {
	t.Parallel()
	file := write(t, "[api]\nlisten = \"127.0.0.1:1\"\nmax_body = 2000\n[kafka]\nbrokers = [\"a:1\"]\n[log]\nlevel = \"warn\"\n")
	l, err := config.Load(config.Source{
		File:  file,
		Env:   []string{"PULSE_API_LISTEN=127.0.0.1:2", "PULSE_KAFKA_BROKERS=b:1, c:2", "PULSE_API_MAX_BODY=3000", "PULSE_SCHEDULER_CONFIG_POLL=5s"},
		Flags: map[string]string{"api.listen": "127.0.0.1:3"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if l.API.Listen != "127.0.0.1:3" || l.Origin["api.listen"] != "flag" {
		t.Errorf("api.listen = %q from %q, want the flag's", l.API.Listen, l.Origin["api.listen"])
	}
	if l.API.MaxBody != 3000 || l.Scheduler.ConfigPoll != 5*time.Second || l.Log.Level != "warn" {
		t.Errorf("got %+v %+v %+v", l.API, l.Scheduler, l.Log)
	}
	if !reflect.DeepEqual(l.Kafka.Brokers, []string{"b:1", "c:2"}) {
		t.Errorf("brokers = %q, want b:1 and c:2", l.Kafka.Brokers)
	}
	if got := l.Origin["kafka.brokers"]; got != "PULSE_KAFKA_BROKERS" {
		t.Errorf("origin = %q, want the variable", got)
	}
}

func TestFaultsNameTheSettingAndTheFix(t *testing.T) {
	t.Parallel()
	cases := []struct{ name, toml, want string }{
		{"misspelt key", "[kafka]\nbrockers = []", "kafka.brockers: unknown setting, did you mean kafka.brokers?"},
		{"wrong section", "[api]\nconfig_poll = \"1s\"", "api.config_poll: unknown setting, did you mean scheduler.config_poll?"},
		{"unknown section", "[nonsense]\nx = 1", "nonsense.x: unknown setting"},
		{"wrong type", "[api]\nmax_body = \"big\"", "api.max_body: want a whole number"},
		{"table for a value", "[api.listen]\nx = 1", "api.listen.x: unknown setting"},
		{"duration without unit", "[feed]\nheartbeat = 15", "feed.heartbeat: 15: want a duration with its unit"},
		{"out of range", "[kafka]\npartitions = 0", "kafka.partitions: 0, want 1 to 64"},
		{"neither never nor in range", "[scheduler]\nsweep = \"9m\"", "scheduler.sweep: 9m0s, want 10m0s to 24h0m0s"},
		{"not a share", "[scheduler]\ndiscovery_share = 0", "scheduler.discovery_share: 0, want 0.1 to 1"},
		{"neither true nor false", "[process]\ndrop_deleted_text = 1", "process.drop_deleted_text: want true or false"},
		{"not an address", "[api]\nlisten = \"8080\"", `api.listen: "8080", want host:port`},
		{"not a URL", "[reddit]\nbase_url = \"reddit\"", `reddit.base_url: "reddit", want an http or https URL`},
		{"not TOML", "[api", "read configuration"},
		{"secret file away", "[auth]\nsigning_key_file = \"/nowhere/key\"", "auth.signing_key_file: /nowhere/key does not exist"},
		{"file for what is no secret", "[api]\nlisten_file = \"x\"", "api.listen_file: unknown setting"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := config.Load(config.Source{File: write(t, c.toml)})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q in it", err, c.want)
			}
		})
	}
}

func TestWhatMayBeOffIsOffAtNought(t *testing.T) {
	t.Parallel()
	l, err := config.Load(config.Source{
		File: write(t, "[scheduler]\nbackfill = \"0s\"\nsweep = \"0s\"\n"),
		Env:  []string{"PULSE_PROCESS_DROP_DELETED_TEXT=false"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if l.Scheduler.Backfill != 0 || l.Scheduler.Sweep != 0 || l.Process.DropDeletedText {
		t.Errorf("got %+v and %+v, want all off", l.Scheduler, l.Process)
	}
}

func TestAllFaultsAreReportedAtOnce(t *testing.T) {
	t.Parallel()
	_, err := config.Load(config.Source{
		File: write(t, "[api]\nlisen = \"x\"\n[log]\nlevl = \"x\"\n"),
		Env:  []string{"PULSE_KAFKA_GRUOP=x"},
	})
	for _, want := range []string{"api.lisen", "log.levl", "PULSE_KAFKA_GRUOP"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s in it", err, want)
		}
	}
}

func TestVariablesOfOtherProgramsAreLeftAlone(t *testing.T) {
	t.Parallel()
	env := []string{"PULSE_SERVER=unix:/run/sound", "PULSE_LATENCY_MSEC=30", "PULSE_TOKEN=x", "PULSE_=", "PULSE", "="}
	if _, err := config.Load(config.Source{Env: env}); err != nil {
		t.Error(err)
	}
}

func TestSecretsAreReadFromFilesAndNeverShown(t *testing.T) {
	t.Parallel()
	secret := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(secret, []byte("hunter2hunter2hunter2hunter2hunter2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := config.Load(config.Source{
		File: write(t, fmt.Sprintf("[auth]\nsigning_key_file = %q\n", secret)),
		Env:  []string{"PULSE_POSTGRES_PRIMARY_DSN=postgres://u:hunter2@h/d"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := l.Auth.SigningKey.Reveal(); got != "hunter2hunter2hunter2hunter2hunter2" {
		t.Errorf("key = %q, want the file's line", got)
	}
	for _, shown := range []string{fmt.Sprint(l.Settings()), fmt.Sprintf("%v %+v %#v", l.Config, l.Config, l.Config)} {
		if strings.Contains(shown, "hunter2") {
			t.Errorf("a secret is shown: %s", shown)
		}
	}
}

func FuzzLoad(f *testing.F) {
	f.Add("[api]\nlisten = \"127.0.0.1:1\"\n")
	f.Add("[feed]\nheartbeat = 1\norigins = [1, 2]")
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 10_000 {
			return
		}
		l, err := config.Load(config.Source{File: write(t, text)})
		if err == nil && l.Validate() != nil {
			t.Error("an invalid configuration was loaded")
		}
	})
}

func write(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "pulse.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
