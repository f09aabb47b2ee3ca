package app

import (
	"context"
	"path/filepath"
	"strconv"
	"time"

	"github.com/tidegate/tidegate/api/events"
	"github.com/tidegate/tidegate/internal/bus"
	"github.com/tidegate/tidegate/internal/notify"
	"github.com/tidegate/tidegate/internal/points"
	"github.com/tidegate/tidegate/internal/webhook"
)

// demonstrate lets a shop that is tried out tell a receiver on the same machine, and shoppers by files.
func (c *Config) demonstrate() {
	if len(c.Webhooks.AllowNetworks) == 0 {
		c.Webhooks.AllowNetworks = []string{"127.0.0.0/8", "::1/128"}
	}
	if c.Notify.Sender == notify.SendNone {
		c.Notify.Sender = notify.SendFile
	}
}

// newConsumers makes the modules that follow events, and returns their groups.
func (a *App) newConsumers() []consumer {
	c := a.config
	a.webhooks = webhook.NewService(webhook.Parts{
		Store: a.store, Config: c.Webhooks, Clock: a.clock, Mint: a.mint, Log: a.log, Types: events.Types(),
	})
	a.points = points.NewService(a.store, c.Points)
	var all []consumer
	if c.Webhooks.Enabled {
		all = append(all, consumer{bus.Group{Name: "webhook", TypesNow: a.webhooks.Wanted}, a.webhooks.Apply})
	}
	if c.Points.Enabled {
		all = append(all, consumer{bus.Group{Name: "points", Types: points.Types()}, a.points.Apply})
	}
	if c.Notify.Sender != notify.SendNone {
		a.notices = notify.NewService(notify.Parts{Store: a.store, Sender: a.newSender(), Config: c.Notify, Clock: a.clock, Log: a.log})
		all = append(all, consumer{bus.Group{Name: "notify", Types: notify.Types()}, a.notices.Apply})
	}
	return all
}

func (a *App) newSender() notify.Sender {
	if a.config.Notify.Sender == notify.SendSMTP {
		return notify.Server{Config: a.config.Notify.SMTP}
	}
	return notify.File{Folder: filepath.Join(a.folder.path, "mail")}
}

// How often those who tell others look when there was nothing to tell.
const (
	workEvery       = 500 * time.Millisecond
	cleanToldsEvery = 5 * time.Minute
)

// consumerLoops are the work that follows what a consumer has recorded: it waits for other people's servers, so it is not
// done where events are read.
func (a *App) consumerLoops() []loop {
	var all []loop
	if a.config.Webhooks.Enabled {
		hooks := []loop{a.considerate(loop{name: "clean_webhooks", every: cleanToldsEvery, step: a.webhooks.CleanStep})}
		for i := range a.config.Webhooks.Workers {
			hooks = append(hooks, a.considerate(loop{name: "webhooks_" + strconv.Itoa(i+1), every: workEvery, step: a.webhooks.DeliverStep}))
		}
		all = append(all, a.together("loop webhooks", hooks...)...) // whose turn an endpoint has, one process knows
	}
	if a.notices != nil {
		all = append(all, a.together("loop notifications",
			a.considerate(loop{name: "notifications", every: workEvery, step: a.notices.SendStep}),
			a.considerate(loop{name: "clean_notifications", every: cleanToldsEvery, step: a.notices.CleanStep}))...)
	}
	return all
}

// considerate has a loop rest after each step while orders wait for their commit, as the consumers themselves do: what it
// writes would otherwise have every second turn of the writer.
func (a *App) considerate(l loop) loop {
	step := l.step
	l.step = func(ctx context.Context) (int, error) {
		began := time.Now()
		did, err := step(ctx)
		if did > 0 && err == nil {
			if pause := a.restOfConsumers(time.Since(began)); pause > 0 {
				rest(ctx, pause, nil)
			}
		}
		return did, err
	}
	return l
}
