package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"

	"golang.org/x/net/netutil"

	"github.com/tidegate/tidegate/internal/admission/limit"
	"github.com/tidegate/tidegate/internal/app/eventbus"
	"github.com/tidegate/tidegate/internal/app/folder"
	"github.com/tidegate/tidegate/internal/app/listener"
	"github.com/tidegate/tidegate/internal/app/loop"
	"github.com/tidegate/tidegate/internal/app/ops"
	"github.com/tidegate/tidegate/internal/httpapi"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/wire"
)

// unwatched are the requests of a sale night. They are answered at once, or, as orders, go on without their client, so that nobody
// needs to know whether it is still there.
var unwatched = []string{"POST /v1/sales/", "POST /v1/orders ", "GET /v1/products/", "GET /v1/sales/"}

// opsConnectionsMax bounds the second listener's connections: scrapes, probes, and whoever looks at profiles.
const opsConnectionsMax = 100

// opsClientConnectionsMax leaves a probe its place, whatever one client holds.
const opsClientConnectionsMax = opsConnectionsMax / 2

// opsHeaderTimeout bounds how long a client of the second listener may take to say what it wants.
const opsHeaderTimeout = 5 * time.Second

// errStopping is why /readyz says no from the first moment of a stop.
var errStopping = errors.New("the process is starting or stopping")

// errGateNotLoaded is why /readyz says no before the gate has been rebuilt.
var errGateNotLoaded = errors.New("the gate is not loaded yet")

// Run serves until ctx ends and then stops in order: it says not ready, takes no new requests, finishes those it has
// accepted, commits the orders that wait, and lets the running background steps end, all within the grace time. It returns
// nil after an orderly stop.
func (a *App) Run(ctx context.Context) error {
	a.folder.WarnOfReaders(ctx, a.log, append([]string{a.secretsFile}, keyFiles(a.config, a.folder.Path)...))
	// The ops listener comes first and goes last: a probe is answered while the gate is loaded and while orders are finished.
	failed := make(chan error, 3)
	probes, opsAddress, err := a.listen("ops.address", a.config.Ops.Address, opsConnectionsMax, limit.NewHeld(opsClientConnectionsMax), a.opsServer(), failed)
	if err != nil {
		return err
	}
	defer func() { _ = probes.Close() }()
	if err := a.loadSettled(ctx); err != nil {
		return fmt.Errorf("the shop cannot be loaded: %w", err)
	}
	work := a.startWork(ctx)
	defer work.abandon()
	if a.wantsDemo {
		switch err := a.setUpDemo(ctx); {
		case errors.Is(err, fault.StoreFull):
			a.log.WarnContext(ctx, "the demonstration is without a sale until the shop is started with room on its disk", "error", err)
		case err != nil:
			return fmt.Errorf("the demonstration cannot be set up: %w", err)
		}
	}
	if a.needsKey, err = a.lacksKey(ctx); err != nil {
		return err
	}
	doors, at, err := a.open(failed)
	defer doors.close()
	if err != nil {
		return err
	}
	at.Ops = opsAddress
	a.announce(ctx, at)
	if notice := a.PaymentNotice(); notice != "" {
		a.log.WarnContext(ctx, notice)
	}
	a.log.InfoContext(ctx, "serving", "public", at.Public, "express", at.Express, "ops", at.Ops, "data", a.folder.Path)

	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	a.serving.Store(false)
	a.log.InfoContext(ctx, "stopping", "grace", a.config.Process.ShutdownGrace.String())
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), a.config.Process.ShutdownGrace)
	defer cancel()
	err = errors.Join(err, doors.shutdown(grace), work.finish(grace), named("probes", probes.Shutdown(grace)))
	if err == nil {
		a.log.InfoContext(ctx, "stopped")
	}
	return err
}

// named says what was not finished within the grace time.
func named(what string, err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("the grace time was over before the last %s had ended", what)
	}
	return err
}

// listen starts a server on an address and returns it with its base address. setting is the address's key. While
// connectionsMax are open, further ones wait in the kernel's queue, so that a crowd of them cannot take the file descriptors
// that the database needs.
func (a *App) listen(setting, address string, connectionsMax int, held *limit.Held, server *http.Server, failed chan<- error) (*http.Server, string, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, "", fmt.Errorf("nothing can listen on %s (%s): %w", address, setting, err)
	}
	go serve(server, netutil.LimitListener(listener.New(a.perClient(l, held), unwatched...), connectionsMax), failed)
	return server, baseAddress(l.Addr()), nil
}

// perClient bounds the connections of each client address, but for proxies that are trusted: each stands for many.
func (a *App) perClient(l net.Listener, held *limit.Held) net.Listener {
	refusal := fault.New(fault.TooManyRequests, "Too many connections from this address; close some.").After(time.Second)
	return listener.PerClient(l, held, a.proxies.Trust, wire.WholeProblem(refusal, "Too Many Requests"))
}

// baseAddress is where this machine reaches a listener: one on every interface is reached on the loopback.
func baseAddress(at net.Addr) string {
	tcp, ok := at.(*net.TCPAddr)
	if !ok || !tcp.IP.IsUnspecified() {
		return "http://" + at.String()
	}
	return "http://" + net.JoinHostPort("127.0.0.1", strconv.Itoa(tcp.Port))
}

// serve runs a server until it is shut down and reports why it ended where that was not asked for.
func serve(s *http.Server, l net.Listener, failed chan<- error) {
	if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		failed <- err
	}
}

func (a *App) opsServer() *http.Server {
	return &http.Server{
		Handler:           ops.Handler(a.readiness(), a.metrics.Handler()),
		ReadHeaderTimeout: opsHeaderTimeout,
		ErrorLog:          slog.NewLogLogger(a.log.Handler(), slog.LevelWarn),
	}
}

// publicServer serves shoppers and the admin API.
func (a *App) publicServer() *http.Server {
	server := a.config.HTTP.HTTPServer(httpapi.WithOrigins(a.origins, a.handler))
	server.ErrorLog = slog.NewLogLogger(a.log.Handler(), slog.LevelWarn)
	if a.pages != nil {
		server.RegisterOnShutdown(a.pages.Close)
	}
	return server
}

// announce opens the doors: the addresses in running.json, ready for everyone. Where the file cannot be written, because the disk is full,
// the shop serves without it, and keepFolder writes it later.
func (a *App) announce(ctx context.Context, at Addresses) {
	a.addresses.Store(&at)
	a.said = folder.Running{
		PID: os.Getpid(), Public: at.Public, Express: at.Express, Ops: at.Ops, AdminKey: a.localKey, Version: a.version, StartedAt: a.clock.Now().UTC().Round(0),
	}
	if err := a.folder.Announce(a.said); err != nil {
		a.log.WarnContext(ctx, "commands do not find this shop by its data folder yet", "error", err)
	}
	a.serving.Store(true)
	close(a.ready)
}

// keepFolder keeps the files by which others find this process in its data folder.
func (a *App) keepFolder(context.Context) (int, error) {
	if !a.serving.Load() {
		return 0, nil
	}
	return 0, a.folder.Keep(a.said)
}

// readiness lists what must hold before shoppers may come. The first check is asked at every probe.
func (a *App) readiness() *ops.Readiness {
	return &ops.Readiness{Aids: a.aids(), Checks: []ops.Check{
		{Name: "process", Ask: func(context.Context) error {
			if !a.serving.Load() {
				return errStopping
			}
			return nil
		}},
		{Name: "gate", Ask: func(context.Context) error {
			if !a.follower.Loaded() {
				return errGateNotLoaded
			}
			return nil
		}},
		{Name: "redis", Ask: func(context.Context) error {
			if a.front == nil {
				return nil
			}
			return a.front.Reachable()
		}},
		{Name: "store", Ask: a.store.Writable},
		{Name: "node", Ask: func(context.Context) error { return a.mint.Check() }},
	}}
}

// work is what runs beside the listeners: the background loops, and the group commit, which outlives them until what was
// accepted is on disk.
type work struct {
	app                *App
	background, commit *loop.Runner
	consumers          *eventbus.Subscriptions
	settling           *settling
	finished           bool
	stopBackground     context.CancelFunc
	stopCommit         context.CancelFunc
}

func (a *App) startWork(ctx context.Context) *work {
	ctx = context.WithoutCancel(ctx) // they end when finish says so
	w := &work{app: a, background: a.newLoops(), commit: a.newLoops()}
	var backgroundCtx, commitCtx context.Context
	backgroundCtx, w.stopBackground = context.WithCancel(ctx)
	commitCtx, w.stopCommit = context.WithCancel(ctx)
	for range a.commitsAtOnce() {
		w.commit.Start(commitCtx, a.commitLoop())
	}
	for _, one := range a.loops() {
		w.background.Start(backgroundCtx, one)
	}
	for _, one := range a.appendingLoops() {
		w.commit.Start(commitCtx, one)
	}
	w.settling = a.startSettling(ctx)
	w.consumers = a.events.Subscribe(ctx)
	return w
}

func (a *App) newLoops() *loop.Runner {
	return &loop.Runner{Log: a.log, Observe: a.metrics.ObserveStep, Confirmed: a.timeIsConfirmed}
}

// drainEvery is how often a stop looks whether the last orders have been committed.
const drainEvery = 2 * time.Millisecond

// finish refuses new orders, waits until those that were taken have been committed, and ends the loops. It returns an
// error where the context ended first; orders that were not committed have been answered to nobody.
func (w *work) finish(grace context.Context) error {
	w.finished = true
	w.stopBackground()
	w.consumers.Stop()
	w.app.keepQueued(grace)
	w.settling.end()
	w.app.intake.Close()
	for w.app.intake.Depth() > 0 && grace.Err() == nil {
		loop.Rest(grace, drainEvery, nil)
	}
	w.stopCommit()
	ended := make(chan struct{})
	go func() {
		w.background.Wait()
		w.commit.Wait()
		w.consumers.Wait()
		close(ended)
	}()
	select {
	case <-ended:
		return nil
	case <-grace.Done():
		return named("background steps", context.DeadlineExceeded)
	}
}

// abandon ends the loops where Run returns early, and waits for the steps that are running: the database is closed next.
func (w *work) abandon() {
	if w.finished {
		return // and no longer than the grace time
	}
	w.stopBackground()
	w.consumers.Stop()
	w.settling.end()
	w.stopCommit()
	w.background.Wait()
	w.commit.Wait()
	w.consumers.Wait()
}
