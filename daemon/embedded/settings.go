package embedded

import (
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// settings of both servers. They are written at every start, so that a newer
// version of this program brings its own; ALTER SYSTEM still overrides them. A
// replica may have no smaller limits than its primary.
var settings = map[string]string{
	"listen_addresses":               "127.0.0.1",
	"unix_socket_directories":        "", // paths of sockets are limited to 107 bytes, folders are not
	"password_encryption":            "scram-sha-256",
	"max_connections":                "60",
	"shared_buffers":                 "64MB",
	"effective_cache_size":           "512MB",
	"work_mem":                       "8MB",
	"maintenance_work_mem":           "64MB",
	"max_locks_per_transaction":      "128", // daily partitions are locked one by one
	"random_page_cost":               "1.1",
	"jit":                            "off",
	"wal_level":                      "replica",
	"max_wal_senders":                "5",
	"max_replication_slots":          "5",
	"max_wal_size":                   "512MB",
	"min_wal_size":                   "64MB",
	"max_slot_wal_keep_size":         "1GB", // a replica further behind is made anew
	"hot_standby":                    "on",
	"hot_standby_feedback":           "on",
	"wal_receiver_status_interval":   "1s",
	"wal_retrieve_retry_interval":    "500ms",
	"autovacuum_vacuum_scale_factor": "0.05",
	"timezone":                       "UTC",
	"log_timezone":                   "UTC",
	"log_destination":                "stderr",
	"logging_collector":              "off",
	"log_checkpoints":                "off",
	"log_line_prefix":                "%m [%p] ",
	"lc_messages":                    "C", // the replica's state is read from its log
}

const confName = "pulse.conf"

// configure writes the settings of the server in dir, with more of its own, and
// who may come in.
func (c *cluster) configure(dir string, more map[string]string) error {
	all := maps.Clone(settings)
	maps.Copy(all, more)
	if c.noSync {
		all["fsync"], all["full_page_writes"] = "off", "off"
	}
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(all)) {
		b.WriteString(name + " = " + confQuote(all[name]) + "\n")
	}
	if err := c.write(filepath.Join(dir, confName), []byte(b.String())); err != nil {
		return err
	}
	return c.write(filepath.Join(dir, "pg_hba.conf"), []byte(
		"host all "+ownerRole+" 127.0.0.1/32 scram-sha-256\n"+
			"host replication "+replicationRole+" 127.0.0.1/32 scram-sha-256\n"))
}

// followSettings point a replica to its primary.
func (c *cluster) followSettings(primaryPort int) map[string]string {
	return map[string]string{
		"primary_slot_name": slotName,
		"primary_conninfo": "host=127.0.0.1 port=" + strconv.Itoa(primaryPort) + " user=" + replicationRole +
			" password=" + c.replicas + " sslmode=disable connect_timeout=5 application_name=" + slotName,
	}
}

func confQuote(text string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `''`, "\n", `\n`).Replace(text) + "'"
}
