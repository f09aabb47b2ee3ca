package admin

import (
	"context"
	"net/http"
	"strconv"

	"github.com/tidegate/tidegate/internal/account"
	"github.com/tidegate/tidegate/internal/audit"
	"github.com/tidegate/tidegate/internal/delivery"
	"github.com/tidegate/tidegate/internal/kernel/auditlog"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/web/site"
)

// mountShop adds what looks after the shop itself: keys, dead letters, the audit and the audit log.
func (d *Pages) mountShop() {
	d.page("GET /console/keys", account.RoleAll, func(r *request) error { return d.showKeys(r, "") })
	d.page("POST /console/keys", account.RoleAll, d.createKey)
	d.act("POST /console/keys/{id}/revoke", account.RoleAll, "revokeKey", d.revokeKey)
	d.page("GET /console/dead-letters", account.RoleAll, d.showLetters)
	d.page("GET /console/dead-letters/{id}", account.RoleAll, d.showLetter)
	d.act("POST /console/dead-letters/{id}/replay", account.RoleAll, "replayDeadLetter", d.letterAct(d.DeadLetters.Replay))
	d.act("POST /console/dead-letters/{id}/drop", account.RoleAll, "dropDeadLetter", d.letterAct(d.DeadLetters.Drop))
	d.page("GET /console/audit", account.RoleAll, func(r *request) error { return d.showAudit(r, nil) })
	d.Console.Stream("POST /console/audit", account.RoleAll, func(v *site.Visit, who account.Admin) error { return d.runAudit(&request{v, who}) })
	d.page("GET /console/log", account.RoleAll, d.showLog)
}

// keysPage is the admin keys, and the text of one that was just made: it is shown this once.
type keysPage struct {
	Keys  []account.Key
	Made  string
	Roles []account.Role
	Next  string // the address of the next page; empty: there is none
}

func (d *Pages) showKeys(r *request, made string) error {
	list := r.List("/console/keys")
	after, err := site.Place[id.AdminKey](list)
	if err != nil {
		return err
	}
	page := keysPage{Made: made, Roles: account.AllRoles()}
	if page.Keys, err = d.Accounts.Keys(r.Request.Context(), after, rowsOnPage+1); err != nil {
		return err
	}
	page.Keys, page.Next = site.Next(list, page.Keys, rowsOnPage, func(k *account.Key) id.AdminKey { return k.ID })
	return r.Show(http.StatusOK, d.keys, r.Lang.T("admin.keys"), page)
}

// createKey answers with the page itself, not with a redirect: the key's text must stand in no address and no history.
func (d *Pages) createKey(r *request) error {
	ctx, err := d.withActor(r, "createKey", "")
	if err != nil {
		return err
	}
	_, text, err := d.Accounts.CreateKey(ctx, r.Form("name"), r.Request.PostForm["role"])
	if err != nil {
		return err
	}
	return d.showKeys(r, text)
}

func (d *Pages) revokeKey(ctx context.Context, r *request) (string, error) {
	key, err := site.PathID[id.AdminKey](r.Visit, "id")
	if err != nil {
		return "", err
	}
	_, err = d.Accounts.RevokeKey(ctx, key)
	return "/console/keys", err
}

// lettersPage is what groups of consumers have given up.
type lettersPage struct {
	Letters []delivery.DeadLetter
	Next    string // the address of the next page; empty: there is none
}

func (d *Pages) showLetters(r *request) error {
	list := r.List("/console/dead-letters")
	after, err := site.Place[int64](list)
	if err != nil {
		return err
	}
	found, err := d.DeadLetters.DeadLetters(r.Request.Context(), "", after, rowsOnPage+1)
	if err != nil {
		return err
	}
	page := lettersPage{}
	page.Letters, page.Next = site.Next(list, found, rowsOnPage, func(l *delivery.DeadLetter) int64 { return l.Number })
	return r.Show(http.StatusOK, d.letters, r.Lang.T("admin.letters"), page)
}

// pathNumber reads a number in the path. It returns fault.NotFound for what is none.
func pathNumber(r *request, name string) (int64, error) {
	n, err := strconv.ParseInt(r.Request.PathValue(name), 10, 64)
	if err != nil || n < 1 {
		return 0, fault.New(fault.NotFound, "There is nothing at this address.")
	}
	return n, nil
}

// letterPage is one dead letter, with its payload as text.
type letterPage struct {
	delivery.DeadLetter
	Text string
}

func (d *Pages) showLetter(r *request) error {
	n, err := pathNumber(r, "id")
	if err != nil {
		return err
	}
	l, err := d.DeadLetters.DeadLetter(r.Request.Context(), n)
	if err != nil {
		return err
	}
	return r.Show(http.StatusOK, d.letter, r.Lang.T("admin.letter", "number", n), letterPage{l, string(l.Payload)})
}

func (d *Pages) letterAct(do func(context.Context, int64) error) func(context.Context, *request) (string, error) {
	return func(ctx context.Context, r *request) (string, error) {
		n, err := pathNumber(r, "id")
		if err == nil {
			err = do(ctx, n)
		}
		return "/console/dead-letters", err
	}
}

func (d *Pages) showAudit(r *request, report *audit.Report) error {
	return r.Show(http.StatusOK, d.audit, r.Lang.T("admin.audit"), report)
}

// runAudit reads the shop's whole data: it may take a while, and the shop sells meanwhile. It ends when nobody waits for it.
func (d *Pages) runAudit(r *request) error {
	report, err := d.Auditor.Run(r.Request.Context(), nil)
	if err != nil {
		return err
	}
	return d.showAudit(r, &report)
}

// logPage is what admins did.
type logPage struct {
	Subject string
	Entries []auditlog.Entry
	Next    string // the address of the next page; empty: there is none
}

func (d *Pages) showLog(r *request) error {
	list := r.List("/console/log")
	before, err := site.Place[id.AuditEntry](list)
	if err != nil {
		return err
	}
	page := logPage{Subject: r.Query("subject")}
	page.Entries, err = d.Accounts.Log(r.Request.Context(), auditlog.Filter{Subject: page.Subject, Before: before, Limit: rowsOnPage + 1})
	if err != nil {
		return err
	}
	page.Entries, page.Next = site.Next(list, page.Entries, rowsOnPage, func(e *auditlog.Entry) id.AuditEntry { return e.ID })
	return r.Show(http.StatusOK, d.log, r.Lang.T("admin.log"), page)
}
