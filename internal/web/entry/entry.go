// Package entry is the operator's part of the pages: who may come in, and the frame that its screens stand in. An operator signs
// in with an admin key; a signed token stands for the key in a cookie that other sites cannot have sent. What a key's roles
// open is what the contract says of the same thing in the API.
package entry

import (
	"context"
	"embed"
	"html/template"
	"io/fs"
	"net/http"
	"net/netip"
	"net/url"

	"github.com/tidegate/tidegate/internal/account"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/web/site"
)

//go:embed *.html
var files embed.FS

// cookie holds the token.
const cookie = "tg_console"

// Accounts signs operators in: see account.Service.
type Accounts interface {
	OpenConsole(ctx context.Context, keyText string, client netip.Addr) (string, error)
	// AuthenticateConsole returns whom a token stands for. It returns fault.Unauthenticated.
	AuthenticateConsole(ctx context.Context, token string) (account.Admin, error)
}

// Entry is the frame. Safe for concurrent use once every screen is registered.
type Entry struct {
	site     *site.Site
	accounts Accounts
	sign     *template.Template
}

// Mount adds the way in to the site.
func Mount(s *site.Site, a Accounts) *Entry {
	c := &Entry{site: s, accounts: a}
	c.sign = s.Template(files, "signin.html")
	s.Handle("GET /console/signin", c.showSign)
	s.Handle("POST /console/signin", c.signIn)
	s.Handle("POST /console/signout", c.signOut)
	s.Handle("GET /console", c.guarded("", c.home))
	return c
}

// Template reads the template of a screen, with the console's own frame around it: see site.Site.Template.
func (c *Entry) Template(from fs.FS, names ...string) *template.Template {
	return template.Must(c.site.Template(from, names...).ParseFS(files, "frame.html"))
}

// Handle registers a screen for those whose key has the role. Whoever is not signed in is sent to sign in.
func (c *Entry) Handle(pattern string, role account.Role, handler func(*site.Visit, account.Admin) error) {
	c.site.Handle(pattern, c.guarded(role, handler))
}

// Stream registers what answers for as long as the operator stays.
func (c *Entry) Stream(pattern string, role account.Role, handler func(*site.Visit, account.Admin) error) {
	c.site.Stream(pattern, c.guarded(role, handler))
}

// home leads to the first screen that the key's roles open.
func (c *Entry) home(v *site.Visit, who account.Admin) error {
	for _, first := range []struct {
		role account.Role
		path string
	}{{account.RoleSales, "/console/night"}, {account.RoleCatalog, "/console/products"}, {account.RoleOrders, "/console/orders"}} {
		if who.May(first.role) {
			return v.Redirect(first.path)
		}
	}
	return fault.New(fault.Forbidden, "No screen of the console is for this key's roles.").In("role")
}

// formBytesMax bounds a form of the console: the largest is the terms of a sale with as many items as it can have.
const formBytesMax = 1 << 20

// guarded has a handler see only those whose key has the role; without a role, everybody who is signed in.
func (c *Entry) guarded(role account.Role, handler func(*site.Visit, account.Admin) error) func(*site.Visit) error {
	return func(v *site.Visit) error {
		who, err := c.accounts.AuthenticateConsole(v.Request.Context(), v.Secret(cookie))
		switch {
		case fault.CodeOf(err) == fault.Unauthenticated:
			next := "/console"
			if v.Request.Method == http.MethodGet {
				next = v.Request.URL.RequestURI()
			}
			return v.Redirect("/console/signin?next=" + url.QueryEscape(next))
		case err != nil:
			return err
		case role != "" && !who.May(role):
			return fault.New(fault.Forbidden, "This needs a key with the role %s.", role).In("role")
		}
		v.Operator = who
		v.Take(formBytesMax)
		return handler(v, who)
	}
}

// signPage is what signing in shows.
type signPage struct {
	Next  string
	Wrong *fault.Error
}

func (c *Entry) showSign(v *site.Visit) error {
	return v.Show(http.StatusOK, c.sign, v.Lang.T("console.title"), signPage{Next: site.LocalPath(v.Query("next"), "/console")})
}

func (c *Entry) signIn(v *site.Visit) error {
	page := signPage{Next: site.LocalPath(v.Form("next"), "/console")}
	token, err := c.accounts.OpenConsole(v.Request.Context(), v.Form("key"), v.Client())
	switch f := fault.As(err); {
	case err == nil:
		v.SetSecret(cookie, token, account.ConsoleLifetime)
		return v.Redirect(page.Next)
	case f.Code == fault.Unauthenticated:
		page.Wrong = fault.New(fault.Unauthenticated, "The key opens nothing.").In("key")
	case f.Code == fault.TooManyRequests:
		page.Wrong = f
	default:
		return err
	}
	return v.Show(page.Wrong.Code.Row().Status, c.sign, v.Lang.T("console.title"), page)
}

func (c *Entry) signOut(v *site.Visit) error {
	v.SetSecret(cookie, "", -1)
	return v.Redirect("/console/signin")
}
