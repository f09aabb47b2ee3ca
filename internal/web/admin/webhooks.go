package admin

import (
	"context"
	"net/http"
	"slices"
	"strconv"

	"github.com/tidegate/tidegate/internal/account"
	"github.com/tidegate/tidegate/internal/kernel/auditlog"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/web/site"
	"github.com/tidegate/tidegate/internal/webhook"
)

func (d *Pages) mountWebhooks() {
	d.page("GET /console/webhooks", account.RoleAll, func(r *request) error { return d.showWebhooks(r, webhook.Endpoint{}) })
	d.page("GET /console/webhooks/{id}", account.RoleAll, d.showWebhook)
	d.page("POST /console/webhooks", account.RoleAll, d.createWebhook)
	d.page("POST /console/webhooks/{id}/secret", account.RoleAll, d.rotateWebhook)
	d.act("POST /console/webhooks/{id}/pause", account.RoleAll, "pauseWebhook", d.webhookAct(func(ctx context.Context, e id.Endpoint, r *request) error {
		_, err := d.Webhooks.Pause(ctx, e, r.who.Name+": "+auditlog.EntryFrom(ctx).Reason)
		return err
	}))
	d.act("POST /console/webhooks/{id}/resume", account.RoleAll, "resumeWebhook", d.webhookAct(func(ctx context.Context, e id.Endpoint, _ *request) error {
		_, err := d.Webhooks.Resume(ctx, e)
		return err
	}))
	d.act("POST /console/webhooks/{id}/deliveries/{number}/retry", account.RoleAll, "retryWebhookDelivery", d.webhookAct(func(ctx context.Context, e id.Endpoint, r *request) error {
		n, err := pathNumber(r, "number")
		if err != nil {
			return err
		}
		return d.Webhooks.Retry(ctx, e, n)
	}))
	d.act("POST /console/webhooks/{id}/delete", account.RoleAll, "deleteWebhook", func(ctx context.Context, r *request) (string, error) {
		e, err := site.PathID[id.Endpoint](r.Visit, "id")
		if err == nil {
			err = d.Webhooks.Delete(ctx, e)
		}
		return "/console/webhooks", err
	})
}

// webhooksPage is the endpoints, and the one that was just registered: its secret is shown this once.
type webhooksPage struct {
	Endpoints []webhook.Endpoint
	Made      webhook.Endpoint
	Events    []string
	Every     string
}

func (d *Pages) showWebhooks(r *request, made webhook.Endpoint) error {
	all, err := d.Webhooks.Endpoints(r.Request.Context())
	if err != nil {
		return err
	}
	return r.Show(http.StatusOK, d.webhooks, r.Lang.T("admin.webhooks"), webhooksPage{all, made, d.Events, webhook.AllTypes})
}

// createWebhook answers with the page itself, not with a redirect: the secret must stand in no address and no history.
func (d *Pages) createWebhook(r *request) error {
	ctx, err := d.withActor(r, "createWebhook", "")
	if err != nil {
		return err
	}
	made, err := d.Webhooks.Create(ctx, webhook.Input{URL: r.Form("url"), Description: r.Form("description"), Types: r.Request.PostForm["type"], Rehearsals: r.Form("rehearsals") != ""})
	if err != nil {
		return err
	}
	return d.showWebhooks(r, made)
}

// webhookPage is one endpoint, with what it was told and what waits.
type webhookPage struct {
	webhook.Endpoint
	Made       string // its secret, where it has just got a new one: shown this once
	Both       bool   // the secret before still signs
	State      webhook.State
	States     []webhook.State
	Deliveries []webhook.Delivery
	Next       string // the address of the next page; empty: there is none
}

func (d *Pages) showWebhook(r *request) error {
	e, err := site.PathID[id.Endpoint](r.Visit, "id")
	if err != nil {
		return err
	}
	return d.showWebhookOf(r, e, "")
}

// rotateWebhook answers with the page itself, as createWebhook does.
func (d *Pages) rotateWebhook(r *request) error {
	e, err := site.PathID[id.Endpoint](r.Visit, "id")
	if err != nil {
		return err
	}
	ctx, err := d.withActor(r, "rotateWebhookSecret", e.String())
	if err != nil {
		return err
	}
	rotated, err := d.Webhooks.Rotate(ctx, e)
	if err != nil {
		return err
	}
	return d.showWebhookOf(r, e, rotated.Secret)
}

func (d *Pages) showWebhookOf(r *request, e id.Endpoint, made string) error {
	list := r.List("/console/webhooks/" + strconv.FormatInt(int64(e), 10))
	before, err := site.Place[int64](list)
	if err != nil {
		return err
	}
	ctx := r.Request.Context()
	page := webhookPage{Made: made, State: webhook.State(r.Query("state")), States: []webhook.State{webhook.Waiting, webhook.Delivered, webhook.Failed}}
	if !slices.Contains(page.States, page.State) {
		page.State = ""
	}
	if page.Endpoint, err = d.Webhooks.Endpoint(ctx, e); err != nil {
		return err
	}
	page.Both = d.Clock.Now().Before(page.SecretBeforeUntil)
	if page.Deliveries, err = d.Webhooks.Deliveries(ctx, e, page.State, before, rowsOnPage+1); err != nil {
		return err
	}
	page.Deliveries, page.Next = site.Next(list, page.Deliveries, rowsOnPage, func(d *webhook.Delivery) int64 { return d.Number })
	return r.Show(http.StatusOK, d.webhook, r.Lang.T("admin.webhook", "number", strconv.FormatInt(int64(e), 10)), page)
}

// webhookAct makes the handler of a change to the endpoint in the path, which leads back to it.
func (d *Pages) webhookAct(do func(ctx context.Context, e id.Endpoint, r *request) error) func(context.Context, *request) (string, error) {
	return func(ctx context.Context, r *request) (string, error) {
		e, err := site.PathID[id.Endpoint](r.Visit, "id")
		if err == nil {
			err = do(ctx, e, r)
		}
		return "/console/webhooks/" + e.String(), err
	}
}
