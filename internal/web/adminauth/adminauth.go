// Package adminauth signs operators in to the admin pages, checks their roles, and lays the pages out. An operator signs in with an
// admin key. The browser keeps a signed token for the key in a SameSite cookie. A role opens the same things here as in the API.
package adminauth

import (
	"context"
	"embed"
	"html/template"
	"io/fs"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/tidegate/tidegate/internal/account"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/web/site"
)

//go:embed *.html
var files embed.FS

// cookie is the name of the cookie that holds the token.
const cookie = "tg_console"

// Accounts signs operators in: see account.Service.
type Accounts interface {
	OpenConsole(ctx context.Context, keyText string, client netip.Addr) (string, error)
	// CloseConsole ends the sign-in that a token stands for, at the server.
	CloseConsole(ctx context.Context, token string) error
	// AuthenticateConsole returns whom a token stands for. It returns fault.Unauthenticated.
	AuthenticateConsole(ctx context.Context, token string) (account.Admin, error)
	// Watch returns a context that ends within a second after check starts to return an error.
	Watch(ctx context.Context, check func(context.Context) error) (watched context.Context, stop func())
}

// Console is the layout and access control of the admin pages. Safe for concurrent use once every page is registered.
type Console struct {
	site     *site.Site
	accounts Accounts
	sign     *template.Template
}

// Mount adds the sign-in pages to the site.
func Mount(s *site.Site, a Accounts) *Console {
	c := &Console{site: s, accounts: a}
	c.sign = s.Template(files, "signin.html")
	s.Handle("GET /console/signin", c.showSign)
	s.Handle("POST /console/signin", c.signIn)
	s.Handle("POST /console/signout", c.signOut)
	s.Handle("GET /console", c.guarded("", c.home))
	return c
}

// Template parses the template of a page inside the layout of the console: see site.Site.Template.
func (c *Console) Template(from fs.FS, names ...string) *template.Template {
	return template.Must(c.site.Template(from, names...).ParseFS(files, "console.html"))
}

// Handle registers a page that needs a key with the role. It redirects operators who are not signed in to the sign-in page.
func (c *Console) Handle(pattern string, role account.Role, handler func(*site.Visit, account.Admin) error) {
	c.site.Handle(pattern, c.guarded(role, handler))
}

// Stream registers a page that answers until the operator leaves. Within a second after the operator loses the role, Stream cancels the
// request's context and cuts the deadlines of the connection, so that a stalled browser cannot hold it open.
func (c *Console) Stream(pattern string, role account.Role, handler func(*site.Visit, account.Admin) error) {
	c.site.Stream(pattern, c.guarded(role, func(v *site.Visit, who account.Admin) error {
		token := v.Secret(cookie)
		ctx, stop := c.accounts.Watch(v.Request.Context(), func(ctx context.Context) error {
			_, err := c.admit(ctx, token, role)
			return err
		})
		defer stop()
		w, sends := http.NewResponseController(v.ResponseWriter), v.Request.ContentLength != 0
		defer context.AfterFunc(ctx, func() {
			// A writer without deadlines, as in tests, has none to shorten.
			if sends {
				_ = w.SetReadDeadline(time.Now())
			}
			_ = w.SetWriteDeadline(time.Now().Add(endGrace))
		})()
		v.Request = v.Request.WithContext(ctx)
		err := handler(v, who)
		if gone := context.Cause(ctx); fault.CodeOf(gone) == fault.Unauthenticated || fault.CodeOf(gone) == fault.Forbidden {
			return gone
		}
		return err
	}))
}

// endGrace is how long a stream may still write after its operator lost the role.
const endGrace = time.Second

// admit returns the operator of a token. It returns fault.Unauthenticated, or fault.Forbidden if the key lacks the role.
func (c *Console) admit(ctx context.Context, token string, role account.Role) (account.Admin, error) {
	who, err := c.accounts.AuthenticateConsole(ctx, token)
	if err == nil && role != "" && !who.May(role) {
		err = fault.New(fault.Forbidden, "This needs a key with the role %s.", role).In("role")
	}
	return who, err
}

// home redirects to the first page that the key's roles open.
func (c *Console) home(v *site.Visit, who account.Admin) error {
	for _, first := range []struct {
		role account.Role
		path string
	}{{account.RoleSales, "/console/live-sales"}, {account.RoleCatalog, "/console/products"}, {account.RoleOrders, "/console/orders"}} {
		if who.May(first.role) {
			return v.Redirect(first.path)
		}
	}
	return fault.New(fault.Forbidden, "This key's roles open no page of the console. Sign in with another key.").In("role")
}

// formBytesMax bounds a form of the console: the largest is the terms of a sale with as many items as it can have.
const formBytesMax = 1 << 20

// guarded runs the handler for operators whose key has the role, or for every signed-in operator if role is empty.
func (c *Console) guarded(role account.Role, handler func(*site.Visit, account.Admin) error) func(*site.Visit) error {
	return func(v *site.Visit) error {
		who, err := c.admit(v.Request.Context(), v.Secret(cookie), role)
		switch {
		case fault.CodeOf(err) == fault.Unauthenticated:
			next := "/console"
			if v.Request.Method == http.MethodGet {
				next = v.Request.URL.RequestURI()
			}
			return v.Redirect("/console/signin?next=" + url.QueryEscape(next))
		case err != nil:
			return err
		}
		v.Operator = who
		v.Take(formBytesMax)
		return handler(v, who)
	}
}

// signPage is the data of the sign-in page.
type signPage struct {
	Next  string
	Wrong *fault.Error
}

func (c *Console) showSign(v *site.Visit) error {
	return v.Show(http.StatusOK, c.sign, v.Lang.T("console.title"), signPage{Next: site.LocalPath(v.Query("next"), "/console")})
}

func (c *Console) signIn(v *site.Visit) error {
	page := signPage{Next: site.LocalPath(v.Form("next"), "/console")}
	token, err := c.accounts.OpenConsole(v.Request.Context(), v.Form("key"), v.Client())
	switch f := fault.As(err); {
	case err == nil:
		// The earlier session of this browser ends.
		if err := c.accounts.CloseConsole(v.Request.Context(), v.Secret(cookie)); err != nil {
			return err
		}
		v.SetSecret(cookie, token, account.ConsoleLifetime)
		return v.Redirect(page.Next)
	case f.Code == fault.Unauthenticated:
		page.Wrong = fault.New(fault.Unauthenticated, "The key is unknown or revoked. Check it, or ask for a new one.").In("key")
	case f.Code == fault.TooManyRequests:
		page.Wrong = f
	default:
		return err
	}
	return v.Show(page.Wrong.Code.Row().Status, c.sign, v.Lang.T("console.title"), page)
}

// signOut ends the session at the server before it deletes the cookie, so that a copied cookie is worthless.
func (c *Console) signOut(v *site.Visit) error {
	if err := c.accounts.CloseConsole(v.Request.Context(), v.Secret(cookie)); err != nil {
		return err
	}
	v.SetSecret(cookie, "", -1)
	return v.Redirect("/console/signin")
}
