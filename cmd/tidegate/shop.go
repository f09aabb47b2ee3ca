package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/tidegate/tidegate/internal/adminclient"
	"github.com/tidegate/tidegate/internal/app"
	"github.com/tidegate/tidegate/internal/app/settings"
)

// onShop gives fn the shop that the command line names: see app.Connect. The command, or one above it, has the flags of
// addTargetFlags.
func (t *tool) onShop(cmd *cobra.Command, fn func(*adminclient.Client) error) (err error) {
	c, _, err := t.config()
	if err != nil {
		return err
	}
	o := t.options(t.quieter(c))
	o.LogLevel = nil // a live level is for who serves
	shop, err := app.Connect(cmd.Context(), c, o, t.target(cmd))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, shop.Close()) }()
	return fn(shop)
}

// quieter logs only what goes wrong, unless a level was asked for: the command's answer is the point.
func (t *tool) quieter(c app.Config) app.Config {
	if c.Log.Level == app.DefaultConfig().Log.Level && t.set["log.level"] == "" && t.getenv(settings.EnvPrefix+"LOG_LEVEL") == "" {
		c.Log.Level = "warn"
	}
	return c
}

// writeJSON prints a value as JSON, indented for people.
func writeJSON(w io.Writer, value any) error {
	out := json.NewEncoder(w)
	out.SetIndent("", "  ")
	out.SetEscapeHTML(false)
	return out.Encode(value)
}

// patienceAfter is how long a person waits before being told what for.
const patienceAfter = 2 * time.Second

// patiently runs fn, and says on a terminal what it is doing, and for how long, while it takes longer than patienceAfter.
func (t *tool) patiently(what string, fn func() error) error {
	if !isTerminal(t.terminal) {
		return fn()
	}
	done := make(chan error, 1)
	go func() { done <- fn() }()
	began := time.Now()
	tick := time.NewTicker(patienceAfter / 2)
	defer tick.Stop()
	said := false
	for {
		select {
		case err := <-done:
			if said {
				fmt.Fprint(t.terminal, "\r\x1b[K")
			}
			return err
		case <-tick.C:
			if took := time.Since(began); took >= patienceAfter {
				fmt.Fprintf(t.terminal, "\r%s (%s)", what, took.Round(time.Second))
				said = true
			}
		}
	}
}
