package app

import (
	"context"
	"net/http"
	"path/filepath"
	"strconv"
	"time"

	"github.com/tidegate/tidegate/internal/payment"
	"github.com/tidegate/tidegate/internal/payment/sandbox"
)

// How often the payment steps look when they have found nothing to do.
const (
	// expireEvery is how late an unpaid order may end: well within a second.
	expireEvery = 200 * time.Millisecond
	// askEvery is how late a provider is asked after an attempt whose time has come.
	askEvery    = 500 * time.Millisecond
	refundEvery = time.Second
	// deliverEvery is how soon the sandbox tells the shop.
	deliverEvery = 100 * time.Millisecond
)

// newPayments makes the module and its provider.
func (a *App) newPayments() (*payment.Service, *sandbox.Provider, error) {
	secret, err := sandbox.OpenSecret(a.config.Sandbox.Secret, filepath.Join(a.folder.path, "keys", "sandbox.secret"))
	if err != nil {
		return nil, nil, err
	}
	provider := sandbox.New(sandbox.Parts{
		Ledger: a.store, Secret: secret, Base: func() string { return a.Addresses().Public },
		Clock: a.clock, Mint: a.mint, Log: a.log, Config: a.config.Sandbox,
		Return: a.orderPage(),
	})
	service := payment.NewService(payment.Parts{
		Store: a.store, Providers: []payment.Provider{provider},
		Clock: a.clock, Mint: a.mint, Log: a.log, Config: a.config.Payments,
	})
	return service, provider, nil
}

// cashier is what the sandbox serves on the public listener.
func (a *App) cashier() map[string]http.Handler {
	return map[string]http.Handler{sandbox.Path: a.sandbox.Handler()}
}

func (a *App) paymentLoops() []loop {
	loops := append(a.alone(
		loop{name: "expiry", every: expireEvery, step: a.payments.ExpireStep},
		loop{name: "sandbox", every: deliverEvery, step: a.sandbox.DeliverStep},
	), loop{name: "refunds", every: refundEvery, step: a.payments.RefundStep})
	for i := range a.config.Payments.Workers {
		loops = append(loops, loop{name: "ask_provider_" + strconv.Itoa(i+1), every: askEvery, step: a.payments.AskStep})
	}
	return loops
}

// lagPatience bounds what a scrape of the metrics waits for the database.
const lagPatience = time.Second

// expiryLag is how long the longest overdue order has been due; zero where none is, or where it cannot be told.
func (a *App) expiryLag() time.Duration {
	ctx, cancel := context.WithTimeout(context.Background(), lagPatience)
	defer cancel()
	lag, err := a.payments.Lag(ctx)
	if err != nil {
		a.log.WarnContext(ctx, "the expiry lag cannot be read", "error", err)
	}
	return lag
}
