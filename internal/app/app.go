package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"sync/atomic"

	"github.com/tidegate/tidegate/internal/admission"
	"github.com/tidegate/tidegate/internal/admission/limit"
	"github.com/tidegate/tidegate/internal/app/catalogue"
	"github.com/tidegate/tidegate/internal/app/eventbus"
	"github.com/tidegate/tidegate/internal/app/folder"
	"github.com/tidegate/tidegate/internal/app/loop"
	"github.com/tidegate/tidegate/internal/app/node"
	"github.com/tidegate/tidegate/internal/app/settings"
	"github.com/tidegate/tidegate/internal/kernel/clock"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/redis"
	"github.com/tidegate/tidegate/internal/redis/cache"
	"github.com/tidegate/tidegate/internal/store"
	"github.com/tidegate/tidegate/internal/telemetry"
	"github.com/tidegate/tidegate/internal/web"
	"github.com/tidegate/tidegate/internal/web/livesale"
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
	// Sources is where the configuration was read from; nil: the configuration itself stands for it. The live layer is laid over
	// them.
	Sources *settings.Sources
	// LogLevel is that of Log, which follows the live setting; nil: it stays.
	LogLevel *slog.LevelVar
	// SecretsFile is the configuration file, where it says a secret: Run warns where others can read it.
	SecretsFile string
}

// App is one process of the shop: New opens its data folder, Run serves until its context ends, Close gives the folder
// free. Tests drive the same three.
type App struct {
	config  Config
	version string
	clock   clock.Clock
	steady  *clock.Steady // clock itself; nil where a test gave one
	log     *slog.Logger
	mint    *id.Mint
	process string       // names this process to leases
	leases  *loop.Leases // nil: no other process shares the database
	node    []loop.Loop  // keep the process's number; none where that is fixed
	metrics *telemetry.Metrics
	folder  *folder.Folder
	store   *store.Store
	redis   *redis.Client // nil where there is none
	cache   *cache.Cache  // nil where there is no Redis
	// admission decides who may come in; proxies are believed to say who a client is.
	admission *admission.Control
	requests  *limit.Requests
	// connections and streams are those of each client address.
	connections, streams *limit.Held
	live                 *liveSettings
	proxies              wire.Proxies
	origins              wire.Origins
	shop                 // the modules
	warmer               warmer
	pace                 *eventbus.Pace
	changes              *catalogue.Changes
	handler              http.Handler // of the public listener
	pages                *web.Server  // nil: there are none
	meters               *livesale.RateMeters
	// localKey is the admin key of commands on the same machine; it ends with the process.
	localKey string

	secretsFile string // of Options
	wantsDemo   bool
	demo        *Demo
	needsKey    bool
	serving     atomic.Bool
	addresses   atomic.Pointer[Addresses]
	said        folder.Running // what running.json says, once it serves
	ready       chan struct{}
}

// Addresses are the base addresses of a running App, such as http://127.0.0.1:8080. Express is empty where there is none.
type Addresses struct{ Public, Express, Ops string }

// New locks the data folder, creating it where it is missing, opens the database, brings its schema to the newest version
// and opens the parts of its role: see roles. It returns a *folder.HeldError where another process holds the folder.
func New(ctx context.Context, c Config, o Options) (_ *App, err error) {
	a := &App{meters: &livesale.RateMeters{}, config: c, version: o.Version, clock: o.Clock, log: o.Log, wantsDemo: o.Demo, secretsFile: o.SecretsFile, process: newHolder(), ready: make(chan struct{})}
	if a.clock == nil {
		a.steady = clock.NewSteady()
		a.clock = a.steady
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
	if a.live, err = newLiveSettings(a, o); err != nil {
		return nil, err
	}
	if a.folder, err = folder.Hold(c.Data); err != nil {
		return nil, err
	}
	database := ""
	if c.Store.Primary == "" {
		database = storeConfig(c, a.folder.Path).Path
	}
	a.folder.Tighten(ctx, a.log, database)
	if a.metrics, err = telemetry.NewMetrics(); err != nil {
		return nil, err
	}
	for _, p := range roles[roleAll] {
		if err := p.open(a, ctx); err != nil {
			return nil, err
		}
	}
	return a, nil
}

func (a *App) openStore(ctx context.Context) error {
	var err error
	if a.store, err = openDatabase(ctx, a.config, a.folder.Path); err != nil {
		return err
	}
	if err := a.folder.Clear(); err != nil {
		return err
	}
	if a.store.Shared() {
		a.leases = loop.NewLeases(a.store, a.process)
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
	if err := a.trustClock(ctx); err != nil {
		return err
	}
	if a.mint, a.node, err = node.Open(ctx, a.store, a.clock, a.config.Process.Node); err != nil {
		return err
	}
	return a.openEncryption(ctx)
}

// openDatabase opens the database of a data folder. It returns a *folder.HeldError where another process has it open, although the folder's
// LOCK said nothing: that was deleted, or the database is another folder's, too.
func openDatabase(ctx context.Context, c Config, dir string) (*store.Store, error) {
	sc := storeConfig(c, dir)
	s, err := store.Open(ctx, sc)
	if !errors.Is(err, store.ErrInUse) {
		return s, err
	}
	held := &folder.HeldError{Folder: dir}
	if r, found, err := folder.ReadRunning(dir); err == nil && found {
		held.PID = r.PID
	}
	if filepath.Dir(sc.Path) != filepath.Clean(dir) {
		held.Database = sc.Path
	}
	return nil, held
}

// storeConfig returns the store's configuration with its path inside the data folder where it is relative.
func storeConfig(c Config, dir string) store.Config {
	s := c.Store
	if !filepath.IsAbs(s.Path) {
		s.Path = filepath.Join(dir, s.Path)
	}
	return s
}

// Close closes the database and gives the data folder free. Call it once, after Run has returned.
func (a *App) Close() error {
	var errs []error
	if a.metrics != nil {
		errs = append(errs, a.metrics.Close(context.Background()))
	}
	if a.events != nil {
		errs = append(errs, a.events.Close())
	}
	if a.queue.log != nil {
		errs = append(errs, a.queue.log.Close())
	}
	a.closeRedis()
	if a.store != nil {
		errs = append(errs, a.leases.Release(), a.store.Close())
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
