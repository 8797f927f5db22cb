// Package config is every setting of the daemons: defaults, then pulse.toml,
// then PULSE_* of the environment, then flags. It is strict (an unknown key is
// an error with a suggestion) and reports every fault at once.
package config

import "time"

// Config is all settings. pulse.toml documents each with unit, default and
// range; a test holds the two together.
type Config struct {
	Reddit    Reddit    `koanf:"reddit"`
	Scheduler Scheduler `koanf:"scheduler"`
	Kafka     Kafka     `koanf:"kafka"`
	Redis     Redis     `koanf:"redis"`
	Postgres  Postgres  `koanf:"postgres"`
	Process   Process   `koanf:"process"`
	Score     Score     `koanf:"score"`
	Store     Store     `koanf:"store"`
	Feed      Feed      `koanf:"feed"`
	API       API       `koanf:"api"`
	Auth      Auth      `koanf:"auth"`
	Ops       Ops       `koanf:"ops"`
	Log       Log       `koanf:"log"`
}

// Secret is a setting that is never printed.
type Secret string

// String hides the value; Reveal is for the one place that needs it.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "(secret)"
}

// GoString hides the value from %#v.
func (s Secret) GoString() string { return s.String() }

// Reveal gives the value itself.
func (s Secret) Reveal() string { return string(s) }

// Reddit is how Reddit is reached.
type Reddit struct {
	BaseURL           string        `koanf:"base_url"`
	TokenURL          string        `koanf:"token_url"`
	ClientID          string        `koanf:"client_id"`
	ClientSecret      Secret        `koanf:"client_secret"`
	UserAgent         string        `koanf:"user_agent"`
	RequestsPerMinute int           `koanf:"requests_per_minute"`
	Timeout           time.Duration `koanf:"timeout"`
}

// Scheduler is how subreddits are polled and posts read again.
type Scheduler struct {
	ConfigPoll     time.Duration `koanf:"config_poll"`
	MaxPages       int           `koanf:"max_pages"`
	Workers        int           `koanf:"workers"`
	Backfill       time.Duration `koanf:"backfill"`
	Sweep          time.Duration `koanf:"sweep"` // 0: never
	SweepDepth     time.Duration `koanf:"sweep_depth"`
	RefreshUntil   time.Duration `koanf:"refresh_until"`
	MaxLive        int           `koanf:"max_live"`
	DiscoveryShare float64       `koanf:"discovery_share"`
}

// Kafka is the brokers, the topics and the consumer group.
type Kafka struct {
	Brokers           []string      `koanf:"brokers"`
	Partitions        int           `koanf:"partitions"`
	ReplicationFactor int           `koanf:"replication_factor"`
	MinInsyncReplicas int           `koanf:"min_insync_replicas"`
	Retention         time.Duration `koanf:"retention"`
	DeadRetention     time.Duration `koanf:"dead_retention"`
	Group             string        `koanf:"group"`
	SessionTimeout    time.Duration `koanf:"session_timeout"`
	RebalanceTimeout  time.Duration `koanf:"rebalance_timeout"`
	Heartbeat         time.Duration `koanf:"heartbeat"`
	WriteTimeout      time.Duration `koanf:"write_timeout"`
	FetchWait         time.Duration `koanf:"fetch_wait"`
	FetchBytes        int           `koanf:"fetch_bytes"`
}

// Redis is the cache and the feed stream.
type Redis struct {
	Addr        string        `koanf:"addr"`
	Password    Secret        `koanf:"password"`
	VelocityDB  int           `koanf:"velocity_db"`
	LimitsDB    int           `koanf:"limits_db"`
	FeedDB      int           `koanf:"feed_db"`
	Timeout     time.Duration `koanf:"timeout"`
	VelocityTTL time.Duration `koanf:"velocity_ttl"`
}

// Postgres is the primary and the streaming replica.
type Postgres struct {
	PrimaryDSN       Secret        `koanf:"primary_dsn"`
	ReplicaDSN       Secret        `koanf:"replica_dsn"`
	MaxConns         int           `koanf:"max_conns"`
	StatementTimeout time.Duration `koanf:"statement_timeout"`
	MaxReplicaLag    time.Duration `koanf:"max_replica_lag"`
}

// Process is the stage between Kafka and the database.
type Process struct {
	BatchSize       int           `koanf:"batch_size"`
	RetryMin        time.Duration `koanf:"retry_min"`
	RetryMax        time.Duration `koanf:"retry_max"`
	PoisonShare     float64       `koanf:"poison_share"`
	DropDeletedText bool          `koanf:"drop_deleted_text"`
	MemoryLimit     int           `koanf:"memory_limit"` // MiB, 0: none
}

// Score is what counts as movement and what as a trend.
type Score struct {
	MinStep     time.Duration `koanf:"min_step"`
	Tau         time.Duration `koanf:"tau"`
	Noise       float64       `koanf:"noise"`
	NoiseShare  float64       `koanf:"noise_share"`
	Enter       float64       `koanf:"enter"`
	Leave       float64       `koanf:"leave"`
	MinPoints   float64       `koanf:"min_points"`
	MinComments float64       `koanf:"min_comments"`
	Prior       time.Duration `koanf:"prior"`
	MinBaseline time.Duration `koanf:"min_baseline"`
}

// Store is the care of the database.
type Store struct {
	PartitionsAhead int `koanf:"partitions_ahead"`
	ReplayRate      int `koanf:"replay_rate"` // dead letters a second
}

// Feed is the live feed.
type Feed struct {
	StreamLength int           `koanf:"stream_length"`
	LogLength    int           `koanf:"log_length"`
	Snapshot     int           `koanf:"snapshot"`
	Coalesce     time.Duration `koanf:"coalesce"`
	Heartbeat    time.Duration `koanf:"heartbeat"`
	WriteTimeout time.Duration `koanf:"write_timeout"`
	MaxSockets   int           `koanf:"max_sockets"`
	MaxPerUser   int           `koanf:"max_per_user"`
	Origins      []string      `koanf:"origins"`
}

// API is the REST server.
type API struct {
	Listen       string        `koanf:"listen"`
	MaxBody      int           `koanf:"max_body"`
	ReadTimeout  time.Duration `koanf:"read_timeout"`
	WriteTimeout time.Duration `koanf:"write_timeout"`
}

// Auth is tokens and their key.
type Auth struct {
	SigningKey Secret        `koanf:"signing_key"`
	AccessTTL  time.Duration `koanf:"access_ttl"`
	RefreshTTL time.Duration `koanf:"refresh_ttl"`
}

// Ops is the port of health and metrics.
type Ops struct {
	Listen string `koanf:"listen"`
}

// Log is what the daemons say of themselves.
type Log struct {
	Level  string `koanf:"level"`
	Format string `koanf:"format"`
}

// Default is the value of every setting that nobody set.
func Default() Config {
	return Config{
		Reddit: Reddit{
			BaseURL: "https://oauth.reddit.com", TokenURL: "https://www.reddit.com/api/v1/access_token",
			RequestsPerMinute: 90, Timeout: 16 * time.Second,
		},
		Scheduler: Scheduler{
			ConfigPoll: time.Minute, MaxPages: 10, Workers: 4, Backfill: 24 * time.Hour,
			Sweep: time.Hour, SweepDepth: 4 * time.Hour, RefreshUntil: 24 * time.Hour,
			MaxLive: 200_000, DiscoveryShare: 0.8,
		},
		Kafka: Kafka{
			Brokers: []string{"127.0.0.1:9092"}, Partitions: 3, ReplicationFactor: 3,
			MinInsyncReplicas: 2, Retention: 7 * 24 * time.Hour, DeadRetention: 30 * 24 * time.Hour,
			Group: "pulse.process", SessionTimeout: 3 * time.Second, RebalanceTimeout: 10 * time.Second,
			Heartbeat: 500 * time.Millisecond, WriteTimeout: 7 * time.Second,
			FetchWait: 250 * time.Millisecond, FetchBytes: 256 << 10,
		},
		Redis: Redis{
			Addr: "127.0.0.1:6379", VelocityDB: 0, LimitsDB: 1, FeedDB: 2,
			Timeout: 2 * time.Second, VelocityTTL: 48 * time.Hour,
		},
		Postgres: Postgres{MaxConns: 8, StatementTimeout: 15 * time.Second, MaxReplicaLag: 2 * time.Second},
		Process: Process{
			BatchSize: 500, RetryMin: 100 * time.Millisecond, RetryMax: 5 * time.Second, PoisonShare: 0.2,
			DropDeletedText: true, MemoryLimit: 64,
		},
		Score: Score{
			MinStep: 30 * time.Second, Tau: 15 * time.Minute, Noise: 6, NoiseShare: 0.03, Enter: 80, Leave: 60,
			MinPoints: 10, MinComments: 5, Prior: 10 * time.Hour, MinBaseline: 10 * time.Hour,
		},
		Store: Store{PartitionsAhead: 7, ReplayRate: 200},
		Feed: Feed{
			StreamLength: 20_000, LogLength: 10_000, Snapshot: 200,
			Coalesce: 100 * time.Millisecond, Heartbeat: 15 * time.Second,
			WriteTimeout: 10 * time.Second, MaxSockets: 10_000, MaxPerUser: 100,
		},
		API: API{
			Listen: "127.0.0.1:8080", MaxBody: 64 << 10,
			ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second,
		},
		Auth: Auth{AccessTTL: 15 * time.Minute, RefreshTTL: 7 * 24 * time.Hour},
		Ops:  Ops{Listen: "127.0.0.1:9100"},
		Log:  Log{Level: "info", Format: "text"},
	}
}
