package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"
)

// opsHeaderTimeout bounds how long a client of the second listener may take to say what it wants.
const opsHeaderTimeout = 5 * time.Second

// errStopping is why /readyz says no from the first moment of a stop.
var errStopping = errors.New("the process is starting or stopping")

// Run serves until ctx ends and then stops in order: it says not ready, takes no new requests, finishes those it has
// accepted, and lets the running background steps end, all within the grace time. It returns nil after an orderly stop.
func (a *App) Run(ctx context.Context) error {
	opsListener, err := net.Listen("tcp", a.config.Ops.Address)
	if err != nil {
		return fmt.Errorf("the ops listener cannot start on ops.address: %w", err)
	}
	ops := &http.Server{
		Handler:           opsHandler(a.readiness(), a.metrics.Handler()),
		ReadHeaderTimeout: opsHeaderTimeout,
		ErrorLog:          slog.NewLogLogger(a.log.Handler(), slog.LevelWarn),
	}
	failed := make(chan error, 1)
	go serve(ops, opsListener, failed)
	defer func() { _ = ops.Close() }()

	background, stopBackground := context.WithCancel(context.WithoutCancel(ctx))
	defer stopBackground()
	running := &loops{log: a.log, observe: a.metrics.Step}
	for _, one := range a.loops() {
		running.start(background, one)
	}
	at := Addresses{Ops: "http://" + opsListener.Addr().String()}
	if err := a.announce(at); err != nil {
		return err
	}
	a.log.InfoContext(ctx, "serving", "ops", at.Ops, "data", a.folder.path)

	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	a.serving.Store(false)
	a.log.InfoContext(ctx, "stopping", "grace", a.config.Process.ShutdownGrace)
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), a.config.Process.ShutdownGrace)
	defer cancel()
	stopBackground()
	return errors.Join(err, within(grace, running.wait), ops.Shutdown(grace))
}

// announce opens the doors: the addresses in running.json, ready for everyone.
func (a *App) announce(at Addresses) error {
	a.addresses.Store(&at)
	if err := a.folder.writeJSON(runningFile, Running{
		PID: os.Getpid(), Public: at.Public, Ops: at.Ops, AdminKey: a.localKey, Version: a.version, StartedAt: a.clock.Now(),
	}); err != nil {
		return err
	}
	a.serving.Store(true)
	close(a.ready)
	return nil
}

// readiness lists what must hold before shoppers may come. The first check is asked at every probe.
func (a *App) readiness() *readiness {
	return &readiness{checks: []check{
		{"process", func(context.Context) error {
			if !a.serving.Load() {
				return errStopping
			}
			return nil
		}},
		{"store", a.store.Writable},
	}}
}

// serve runs a server until it is shut down and reports why it ended where that was not asked for.
func serve(s *http.Server, l net.Listener, failed chan<- error) {
	if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		select {
		case failed <- err:
		default: // another listener has failed already
		}
	}
}

// within waits for wait, at most until the context ends.
func within(ctx context.Context, wait func()) error {
	done := make(chan struct{})
	go func() {
		wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return errors.New("the grace time was over before the background work had ended")
	}
}

// loops lists what repeats in the background.
func (a *App) loops() []loop { return a.accountLoops() }
