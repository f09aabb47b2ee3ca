package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"sync/atomic"

	"github.com/tidegate/tidegate/internal/bus"
	"github.com/tidegate/tidegate/internal/kernel/clock"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/kernel/lease"
	"github.com/tidegate/tidegate/internal/limit"
	"github.com/tidegate/tidegate/internal/redis"
	"github.com/tidegate/tidegate/internal/redis/cache"
	"github.com/tidegate/tidegate/internal/store"
	"github.com/tidegate/tidegate/internal/telemetry"
	"github.com/tidegate/tidegate/internal/web"
	"github.com/tidegate/tidegate/internal/web/night"
	"github.com/tidegate/tidegate/internal/wire"
)

// Options are what an App gets from whoever starts it, not from the configuration.
type Options struct {
	// Clock is the shop's time; the machine's where nil.
	Clock clock.Clock
	// Log takes the process's log; it is dropped where nil.
	Log *slog.Logger
	// Version names the binary.
	Version string
	// Demo makes Run set up a demonstration: see App.Demo.
	Demo bool
}

// App is one process of the shop: New opens its data folder, Run serves until its context ends, Close gives the folder
// free. Tests drive the same three.
type App struct {
	config  Config
	version string
	clock   clock.Clock
	log     *slog.Logger
	mint    *id.Mint
	process string // names this process to leases
	// leases are those of what one process at a time does, by name: see alone.
	leases  map[string]*lease.Keeper
	node    *nodeLease // nil: the process's number is fixed
	metrics *telemetry.Metrics
	folder  *folder
	store   *store.Store
	redis   *redis.Client // nil where there is none
	cache   *cache.Cache  // nil where there is no Redis
	// requests limits customers and client addresses; proxies are believed to say who a client is.
	requests *limit.Requests
	proxies  wire.Proxies
	shop     // the modules
	warmer   warmer
	changes  changes
	handler  http.Handler // of the public listener
	pages    *web.Server  // nil: there are none
	meter    *night.Meter
	crowd    crowd
	// localKey is the admin key of commands on the same machine; it ends with the process.
	localKey string

	wantsDemo bool
	demo      *Demo
	needsKey  bool
	serving   atomic.Bool
	addresses atomic.Pointer[Addresses]
	ready     chan struct{}
}

// Addresses are the base addresses of a running App, such as http://127.0.0.1:8080. Express is empty where there is none.
type Addresses struct{ Public, Express, Ops string }

// New locks the data folder, creating it where it is missing, opens the database, brings its schema to the newest version
// and wires the modules. It returns a *HeldError where another process holds the folder.
func New(ctx context.Context, c Config, o Options) (_ *App, err error) {
	a := &App{meter: &night.Meter{}, config: c, version: o.Version, clock: o.Clock, log: o.Log, wantsDemo: o.Demo, process: newHolder(), ready: make(chan struct{})}
	if a.clock == nil {
		a.clock = clock.System{}
	}
	if a.log == nil {
		a.log = slog.New(slog.DiscardHandler)
	}
	if o.Demo {
		a.config.demonstrate()
		if c.Express.Address == "" {
			a.config.Express.Address = demoExpress(c.HTTP)
		}
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.Close())
		}
	}()
	if a.folder, err = holdFolder(c.Data); err != nil {
		return nil, err
	}
	if a.metrics, err = telemetry.NewMetrics(); err != nil {
		return nil, err
	}
	if err := a.openStore(ctx); err != nil {
		return nil, err
	}
	if err := a.connectRedis(ctx); err != nil {
		return nil, err
	}
	if err := a.wire(ctx); err != nil {
		return nil, err
	}
	return a, nil
}

func (a *App) openStore(ctx context.Context) error {
	var err error
	if a.store, err = store.Open(ctx, storeConfig(a.config, a.folder.path)); err != nil {
		return err
	}
	a.log.InfoContext(ctx, "database", "engine", a.store.Engine())
	for _, w := range a.store.Warnings() {
		a.log.WarnContext(ctx, "the database could lose accepted orders, which store.allow_unsafe allows", "because", w)
	}
	before, after, err := a.store.Migrate(ctx)
	if err != nil {
		return err
	}
	if before != after {
		a.log.InfoContext(ctx, "database migrated", "from", before.Version, "to", after.Version)
	}
	return a.openMint(ctx)
}

// storeConfig returns the store's configuration with its path inside the data folder where it is relative.
func storeConfig(c Config, folder string) store.Config {
	s := c.Store
	if !filepath.IsAbs(s.Path) {
		s.Path = filepath.Join(folder, s.Path)
	}
	return s
}

// Close closes the database and gives the data folder free. Call it once, after Run has returned.
func (a *App) Close() error {
	var errs []error
	if a.metrics != nil {
		errs = append(errs, a.metrics.Close(context.Background()))
	}
	for _, b := range []bus.Bus{a.bus, a.outbox, a.queue.log} {
		if b != nil {
			errs = append(errs, b.Close())
		}
	}
	a.closeRedis()
	if a.store != nil {
		errs = append(errs, a.releaseLeases(), a.store.Close())
	}
	if a.folder != nil {
		errs = append(errs, a.folder.Close())
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("close the shop: %w", err)
	}
	return nil
}

// Ready is closed once the shop serves. It stays open where Run failed before.
func (a *App) Ready() <-chan struct{} { return a.ready }

// Addresses returns where the shop listens; empty before Ready.
func (a *App) Addresses() Addresses {
	if at := a.addresses.Load(); at != nil {
		return *at
	}
	return Addresses{}
}
