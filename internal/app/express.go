package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"

	"github.com/tidegate/tidegate/internal/app/listener"
	"github.com/tidegate/tidegate/internal/express"
	"github.com/tidegate/tidegate/internal/httpapi"
)

// expressLane returns the second public listener, with the modules and the limits of the first.
func (a *App) expressLane() *express.Server {
	c := a.config.HTTP
	return express.New(express.Parts{
		Callers:  a.account,
		Orders:   a.countedOrders(),
		Sales:    a.sales,
		Products: a.reader,
		Levels:   a.levels,
		Clock:    a.clock,
		Log:      a.log,
		Config:   a.config.Express,
		Limits: express.Limits{
			HeaderTimeout: c.HeaderTimeout, ReadTimeout: c.ReadTimeout, WriteTimeout: c.WriteTimeout, IdleTimeout: c.IdleTimeout,
			HeaderBytesMax: c.HeaderBytesMax,
		},
		Admission: a.admission,
		Proxies:   a.proxies,
		Origins:   a.origins,
		Record:    func(method, pattern string) express.Recorder { return a.metrics.Route(method, pattern) },
	})
}

// demoExpress gives a demonstration an express lane beside its public listener, on a free port.
func demoExpress(c httpapi.Config) string {
	host, _, err := net.SplitHostPort(c.Address)
	if err != nil {
		return ""
	}
	return net.JoinHostPort(host, "0")
}

// doors are the public listeners.
type doors struct {
	main    *http.Server
	express *express.Server // nil: there is none
}

// open starts the public listeners and returns them with their addresses. Close them also on an error.
func (a *App) open(failed chan<- error) (d doors, at Addresses, err error) {
	if d.main, at.Public, err = a.listen("http.address", a.config.HTTP.Address, a.config.HTTP.ConnectionsMax, a.connections, a.publicServer(), failed); err != nil {
		return d, at, err
	}
	address := a.config.Express.Address
	if address == "" {
		return d, at, nil
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return d, at, fmt.Errorf("nothing can listen on %s (express.address): %w", address, err)
	}
	d.express, at.Express = a.expressLane(), baseAddress(l.Addr())
	go func() {
		if err := d.express.Serve(listener.New(a.perClient(l, a.connections))); err != nil {
			failed <- err
		}
	}()
	return d, at, nil
}

// shutdown finishes the requests that were accepted, on both listeners at once.
func (d doors) shutdown(grace context.Context) error {
	finished := make(chan error, 1)
	go func() {
		if d.express == nil {
			finished <- nil
			return
		}
		finished <- named("requests of the express lane", d.express.Shutdown(grace))
	}()
	return errors.Join(named("requests", d.main.Shutdown(grace)), <-finished)
}

// close closes what shutdown has not.
func (d doors) close() {
	if d.main != nil {
		_ = d.main.Close()
	}
	if d.express != nil {
		d.express.Close()
	}
}
