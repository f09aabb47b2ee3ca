package app

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/tidegate/tidegate/internal/adminclient"
	"github.com/tidegate/tidegate/internal/app/folder"
	"github.com/tidegate/tidegate/internal/app/listener"
	"github.com/tidegate/tidegate/internal/app/loop"
)

// A command that finds the folder held by a process that does not serve looks again: it may be starting, or stopping.
const (
	startPatience = 5 * time.Second
	lookEvery     = 50 * time.Millisecond
)

// Connect finds the shop. With a target it is the one at that address. Else it is the one in the data folder: through
// the process that runs it, or opened by this one. It returns an error where there is no shop in the folder, because a
// mistyped folder should not become a new one. Close the client when done.
func Connect(ctx context.Context, c Config, o Options, t adminclient.Target) (*adminclient.Client, error) {
	if t.URL != "" {
		return adminclient.NewTarget(t)
	}
	deadline := time.Now().Add(startPatience)
	for {
		a, err := openExisting(ctx, c, o)
		held, isHeld := errors.AsType[*folder.HeldError](err)
		switch {
		case err == nil:
			return a.connectSelf(ctx)
		case !isHeld:
			return nil, err
		}
		if shop, err := connectRunning(held); shop != nil || err != nil {
			return shop, err
		}
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("%w, and does not serve yet: try again in a moment", held)
		}
		loop.Rest(ctx, lookEvery, nil)
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
}

// openExisting opens the shop in the folder. Where nothing says that one is there, it returns a *folder.HeldError if a process holds the
// folder: its shop may be in MySQL, which the settings of a command need not say.
func openExisting(ctx context.Context, c Config, o Options) (*App, error) {
	if err := mustExist(c); err != nil {
		if held := folder.WhoHolds(c.Data); held != nil {
			return nil, held
		}
		return nil, err
	}
	return New(ctx, c, o)
}

// connectRunning reads the running process's address and key from the folder. It returns nil where they are not there yet.
func connectRunning(held *folder.HeldError) (*adminclient.Client, error) {
	var r folder.Running
	found, err := folder.ReadJSON(held.Folder, folder.RunningFile, &r)
	if err != nil {
		return nil, fmt.Errorf("the shop in %s is running, but its address cannot be read (is it another user's?): %w", held.Folder, err)
	}
	if !found || held.PID != 0 && held.PID != r.PID { // what another process has left: the one that holds the folder is about to write its own
		return nil, nil
	}
	return adminclient.NewRunning(r.Public, r.AdminKey), nil
}

// connectSelf serves the admin API of this App to its own process, over connections in memory: a command then does the
// same on a folder as on a running shop.
func (a *App) connectSelf(ctx context.Context) (*adminclient.Client, error) {
	if err := a.load(ctx); err != nil {
		return nil, errors.Join(err, a.Close())
	}
	l := listener.NewPipe()
	server := a.publicServer()
	failed := make(chan error, 1)
	go serve(server, l, failed)
	transport := &http.Transport{DialContext: l.Dial}
	stop := func() error {
		transport.CloseIdleConnections()
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), a.config.Process.ShutdownGrace)
		defer cancel()
		return errors.Join(server.Shutdown(grace), a.Close())
	}
	return adminclient.NewLocal(a.localKey, transport, stop), nil
}
