package app

import (
	"context"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/tidegate/tidegate/internal/account"
	"github.com/tidegate/tidegate/internal/app/folder"
	"github.com/tidegate/tidegate/internal/app/loop"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
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
	secret, err := sandbox.OpenSecret(a.config.Sandbox.Secret, filepath.Join(a.folder.Path, folder.KeysFolder, folder.SandboxSecretFile))
	if err != nil {
		return nil, nil, err
	}
	provider := sandbox.New(sandbox.Parts{
		Ledger: a.store, Secret: secret, Base: func() string { return a.Addresses().Public },
		Clock: a.clock, Mint: a.mint, Log: a.log, Config: a.config.Sandbox,
		Return: a.orderPage(), Allow: a.mayControlSandbox,
	})
	service := payment.NewService(payment.Parts{
		Store: a.store, Providers: []payment.Provider{provider}, Cancels: a.cancels(),
		Clock: a.clock, Mint: a.mint, Log: a.log, Config: a.config.Payments,
	})
	return service, provider, nil
}

// mayControlSandbox lets the sandbox be controlled by admin keys with the role payments, and, for rehearsals, sales.
func (a *App) mayControlSandbox(r *http.Request, o id.Order) error {
	key, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	who, err := a.account.AuthenticateAdmin(r.Context(), key)
	if err != nil || who.May(account.RolePayments) {
		return err
	}
	if who.May(account.RoleSales) {
		found, err := a.store.Order(r.Context(), o)
		if err != nil || found.OfRehearsal() {
			return err
		}
	}
	return fault.New(fault.Forbidden, "The sandbox is controlled with an admin key of the role payments.").In("role")
}

// PaymentNotice says what an operator has to know of where money goes; empty where that is as it should be.
func (a *App) PaymentNotice() string {
	switch {
	case a.config.Payments.Provider == payment.Sandbox && !a.wantsDemo:
		return "payments.provider is sandbox: orders are paid there, and no money moves"
	case a.config.Payments.Provider == "":
		return "payments.provider is not set: orders can be placed, and payments are refused"
	}
	return ""
}

// cashier is what the sandbox serves on the public listener.
func (a *App) cashier() map[string]http.Handler {
	return map[string]http.Handler{sandbox.Path: a.sandbox.Handler()}
}

func (a *App) paymentLoops() []loop.Loop {
	loops := append(a.leases.Singleton(
		loop.Loop{Name: "expiry", Every: expireEvery, Ends: true, Step: a.payments.ExpireStep},
		loop.Loop{Name: "sandbox", Every: deliverEvery, Step: a.sandbox.DeliverStep},
	), loop.Loop{Name: "refunds", Every: refundEvery, Step: a.payments.RefundStep})
	for i := range a.config.Payments.Workers {
		loops = append(loops, loop.Loop{Name: "poll_provider_" + strconv.Itoa(i+1), Every: askEvery, Ends: true, Step: a.payments.PollStep})
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
