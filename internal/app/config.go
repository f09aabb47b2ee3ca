// Package app is the composition root: the tree of configuration, the wiring, the loops and the life of the process. It
// sees everything and holds no rule of the shop.
package app

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"time"

	"github.com/tidegate/tidegate/internal/account"
	"github.com/tidegate/tidegate/internal/adminclient"
	"github.com/tidegate/tidegate/internal/app/eventbus"
	"github.com/tidegate/tidegate/internal/app/node"
	"github.com/tidegate/tidegate/internal/app/settings"
	"github.com/tidegate/tidegate/internal/catalog"
	"github.com/tidegate/tidegate/internal/express"
	"github.com/tidegate/tidegate/internal/httpapi"
	"github.com/tidegate/tidegate/internal/kernel/encryption"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/notify"
	"github.com/tidegate/tidegate/internal/order"
	"github.com/tidegate/tidegate/internal/payment"
	"github.com/tidegate/tidegate/internal/payment/sandbox"
	"github.com/tidegate/tidegate/internal/points"
	"github.com/tidegate/tidegate/internal/redis"
	"github.com/tidegate/tidegate/internal/redis/gate"
	"github.com/tidegate/tidegate/internal/store"
	"github.com/tidegate/tidegate/internal/telemetry"
	"github.com/tidegate/tidegate/internal/web/site"
	"github.com/tidegate/tidegate/internal/webhook"
)

// Config is the whole tree. Each part is owned by its component, which says its defaults and its rules.
type Config struct {
	Data     string              `koanf:"data" help:"folder that holds the database, the keys and the lock; serve creates it"`
	Process  ProcessConfig       `koanf:"process"`
	Log      telemetry.LogConfig `koanf:"log"`
	HTTP     httpapi.Config      `koanf:"http"`
	Express  express.Config      `koanf:"express"`
	Ops      OpsConfig           `koanf:"ops"`
	Store    store.Config        `koanf:"store"`
	Redis    redis.Config        `koanf:"redis"`
	Gate     gate.Config         `koanf:"gate"`
	Catalog  catalog.Config      `koanf:"catalog"`
	Account  account.Config      `koanf:"account"`
	Orders   order.Config        `koanf:"orders"`
	Payments payment.Config      `koanf:"payments"`
	Sandbox  sandbox.Config      `koanf:"sandbox"`
	Bus      eventbus.Config     `koanf:"bus"`
	Web      site.Config         `koanf:"web"`
	Webhooks webhook.Config      `koanf:"webhooks"`
	Notify   notify.Config       `koanf:"notify"`
	Points   points.Config       `koanf:"points"`

	Encryption EncryptionConfig `koanf:"encryption"`
}

// EncryptionConfig says where the keys are that encrypt the secrets in the database.
type EncryptionConfig struct {
	KeyFile string `koanf:"key_file" help:"file of the keys that encrypt secrets in the database, one a line: the first encrypts, all decrypt; made at the first start, beside the signing keys where empty; a relative path is inside the data folder"`
	Keys    string `koanf:"keys" secret:"true" help:"the keys themselves, separated by commas, in the place of the file"`
}

// Validate returns what is wrong with the keys.
func (c EncryptionConfig) Validate() error {
	if c.Keys == "" {
		return nil
	}
	if _, err := encryption.Parse(c.Keys); err != nil {
		return fault.Bad("keys", "%s", err)
	}
	return nil
}

// ProcessConfig is what concerns the process itself.
type ProcessConfig struct {
	Node          int           `koanf:"node" help:"number of this process, 0 to 1023, part of every id it makes; -1: 0 where the process is alone with its SQLite file, else leased from the database, so that no two processes have one"`
	ShutdownGrace time.Duration `koanf:"shutdown_grace" help:"how long a stop may take to finish what was accepted, 1s to 10m"`
	// GCPercent and MemoryLimitMiB are for memory.Tune.
	GCPercent      int `koanf:"gc_percent" help:"garbage collected when the heap has grown by so many percent, and by 64 MiB at least, 50 to 1000; GOGC in the environment goes over it"`
	MemoryLimitMiB int `koanf:"memory_limit_mib" help:"heap beyond which it is collected harder; 0 is half of the machine's memory, or of the container's; GOMEMLIMIT in the environment goes over it"`
}

// Validate returns every value that is out of range.
func (c ProcessConfig) Validate() error {
	var wrong []error
	if c.Node < node.Leased || c.Node > id.NodeMax {
		wrong = append(wrong, fault.Bad("node", "a number from 0 to %d, or %d for one that is leased, not %d", id.NodeMax, node.Leased, c.Node))
	}
	if c.ShutdownGrace < time.Second || c.ShutdownGrace > 10*time.Minute {
		wrong = append(wrong, fault.Bad("shutdown_grace", "a duration from 1s to 10m, not %s", c.ShutdownGrace))
	}
	if c.GCPercent < 50 || c.GCPercent > 1000 {
		wrong = append(wrong, fault.Bad("gc_percent", "a number from 50 to 1000, not %d", c.GCPercent))
	}
	if c.MemoryLimitMiB != 0 && (c.MemoryLimitMiB < 64 || c.MemoryLimitMiB > 1<<20) {
		wrong = append(wrong, fault.Bad("memory_limit_mib", "0, or a number from 64 to %d, not %d", 1<<20, c.MemoryLimitMiB))
	}
	return errors.Join(wrong...)
}

// OpsConfig is the second listener.
type OpsConfig struct {
	Address string `koanf:"address" help:"where /healthz, /readyz, /metrics and /debug/pprof listen; not for the public; port 0 takes a free one"`
}

// Validate returns what is wrong with the address.
func (c OpsConfig) Validate() error {
	if _, _, err := net.SplitHostPort(c.Address); err != nil {
		return fault.Bad("address", "a host and a port such as 127.0.0.1:9090, not %q", c.Address)
	}
	return nil
}

// Validate returns what is wrong with the tree's own leaves.
func (c Config) Validate() error {
	if c.Data == "" {
		return fault.Bad("data", "it must name a folder, such as ./tidegate-data")
	}
	if strings.ContainsAny(c.Data, "?#%\x00") {
		return fault.Bad("data", "the characters ?, # and %% cannot stand in the folder's name, not %q", c.Data)
	}
	return nil
}

// DefaultConfig returns the tree as it is when nothing is said.
func DefaultConfig() Config {
	return Config{
		Data:     "./tidegate-data",
		Process:  ProcessConfig{Node: node.Leased, ShutdownGrace: 20 * time.Second, GCPercent: 50},
		Log:      telemetry.DefaultLogConfig(),
		HTTP:     httpapi.DefaultConfig(),
		Express:  express.DefaultConfig(),
		Ops:      OpsConfig{Address: "127.0.0.1:9090"},
		Store:    store.DefaultConfig(),
		Redis:    redis.DefaultConfig(),
		Gate:     gate.DefaultConfig(),
		Catalog:  catalog.DefaultConfig(),
		Account:  account.DefaultConfig(),
		Orders:   order.DefaultConfig(),
		Payments: payment.DefaultConfig(),
		Sandbox:  sandbox.DefaultConfig(),
		Bus:      eventbus.Config{Prefix: "tidegate", Replicas: 1, Partitions: 12, Retention: 7 * 24 * time.Hour},
		Web:      site.DefaultConfig(),
		Webhooks: webhook.DefaultConfig(),
		Notify:   notify.DefaultConfig(),
		Points:   points.DefaultConfig(),
	}
}

// EnvConfig is the environment variable that names the configuration file.
const EnvConfig = settings.EnvPrefix + "CONFIG"

// LoadConfig lays the sources over the defaults. It returns settings.Problems where anything is wrong.
func LoadConfig(from settings.Sources) (Config, *settings.Tree, error) {
	return settings.Load(DefaultConfig(), from)
}

// ReadSources returns what lies over the defaults: the file (none where empty), the environment and the flags. It returns an error where the
// file cannot be read.
func ReadSources(file string, env []string, flags map[string]string) (settings.Sources, error) {
	from := settings.Sources{
		File: file, Env: env, EnvOthers: []string{EnvConfig, adminclient.EnvTarget, adminclient.EnvAdminKey}, Flags: flags,
	}
	if file == "" {
		return from, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return from, fmt.Errorf("the configuration file cannot be read: %w", err)
	}
	from.Text = text
	return from, nil
}

// NewLogger returns the process's log as the configuration asks for it, and its level, for Options. terminal says whether w is one.
func NewLogger(w io.Writer, c Config, terminal bool) (*slog.Logger, *slog.LevelVar) {
	level := new(slog.LevelVar)
	return telemetry.NewLogger(w, c.Log, level, terminal), level
}
