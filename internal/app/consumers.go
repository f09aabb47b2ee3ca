package app

import (
	"context"
	"path/filepath"
	"strconv"
	"time"

	"github.com/tidegate/tidegate/api/events"
	"github.com/tidegate/tidegate/internal/app/eventbus"
	"github.com/tidegate/tidegate/internal/app/folder"
	"github.com/tidegate/tidegate/internal/app/loop"
	"github.com/tidegate/tidegate/internal/bus"
	"github.com/tidegate/tidegate/internal/delivery"
	"github.com/tidegate/tidegate/internal/notify"
	"github.com/tidegate/tidegate/internal/payment"
	"github.com/tidegate/tidegate/internal/points"
	"github.com/tidegate/tidegate/internal/webhook"
)

// demonstrate lets a shop that is tried out tell a receiver on the same machine, and shoppers by files, and take payments that move no
// money.
func (c *Config) demonstrate() {
	if len(c.Webhooks.AllowNetworks) == 0 {
		c.Webhooks.AllowNetworks = []string{"127.0.0.0/8", "::1/128"}
	}
	if c.Notify.Sender == notify.SendNone {
		c.Notify.Sender = notify.SendFile
	}
	if c.Payments.Provider == "" {
		c.Payments.Provider = payment.Sandbox
	}
}

// newConsumers makes the modules that follow events, and returns their groups.
func (a *App) newConsumers() []eventbus.Consumer {
	c := a.config
	a.webhooks = webhook.NewService(webhook.Parts{
		Store: a.store, Config: c.Webhooks, Clock: a.clock, Mint: a.mint, Log: a.log, Types: events.Types(),
	})
	a.points = points.NewService(a.store, c.Points)
	var all []eventbus.Consumer
	if c.Webhooks.Enabled {
		all = append(all, eventbus.Consumer{Group: bus.Group{Name: "webhook", TypesNow: a.webhooks.SubscribedTypes}, Rehearsals: eventbus.OnRequest, Apply: a.webhooks.Apply})
	}
	if c.Points.Enabled {
		all = append(all, eventbus.Consumer{Group: bus.Group{Name: "points", Types: points.Types()}, Rehearsals: eventbus.LeavesOut, Apply: a.points.Apply})
	}
	if c.Notify.Sender != notify.SendNone {
		a.notices = notify.NewService(notify.Parts{Store: a.store, Sender: a.newSender(), Config: c.Notify, Clock: a.clock, Log: a.log})
		all = append(all, eventbus.Consumer{Group: bus.Group{Name: "notify", Types: notify.Types()}, Rehearsals: eventbus.LeavesOut, Apply: a.notices.Apply})
	}
	return all
}

func (a *App) newSender() notify.Sender {
	if a.config.Notify.Sender == notify.SendSMTP {
		return notify.SMTPSender{Config: a.config.Notify.SMTP}
	}
	return notify.FileSender{Folder: filepath.Join(a.folder.Path, folder.MailFolder)}
}

// How often those who tell others look when there was nothing to tell.
const (
	workEvery       = 500 * time.Millisecond
	cleanToldsEvery = 5 * time.Minute
)

// consumerLoops are the work that follows what a consumer has recorded: it waits for other people's servers, so it is not
// done where events are read.
func (a *App) consumerLoops() []loop.Loop {
	var all []loop.Loop
	if a.config.Webhooks.Enabled {
		hooks := []loop.Loop{a.pace.YieldToOrders(loop.Loop{Name: "clean_webhooks", Every: cleanToldsEvery, Ends: true, Step: a.webhooks.CleanStep})}
		for i := range a.config.Webhooks.Workers {
			hooks = append(hooks, a.pace.YieldToOrders(loop.Loop{Name: "webhooks_" + strconv.Itoa(i+1), Every: workEvery, Step: a.webhooks.DeliverStep}))
		}
		all = append(all, a.leases.WithLease("loop webhooks", hooks...)...) // whose turn an endpoint has, one process knows
	}
	if a.notices != nil {
		all = append(all, a.leases.WithLease("loop notifications",
			a.pace.YieldToOrders(loop.Loop{Name: "notifications", Every: workEvery, Step: a.notices.SendStep}),
			a.pace.YieldToOrders(loop.Loop{Name: "clean_notifications", Every: cleanToldsEvery, Ends: true, Step: a.notices.CleanStep}))...)
	}
	return all
}

// redelivery implements delivery.Bus over the bus of events and the queue of intents.
type redelivery struct {
	events  *eventbus.Events
	intents bus.Bus // nil: there is no queue
}

// Redeliver implements delivery.Bus.
func (r redelivery) Redeliver(ctx context.Context, topic, group string, m delivery.Message) error {
	if topic == bus.Intents && r.intents != nil {
		return r.intents.Redeliver(ctx, topic, group, []bus.Message{bus.Message(m)})
	}
	return r.events.Redeliver(ctx, topic, group, bus.Message(m))
}
