package site

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/tidegate/tidegate/internal/account"
	"github.com/tidegate/tidegate/internal/admission"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
)

// cookieNames are the names of the cookies: access and refresh belong to a session, device names a browser that has signed in before, notice
// holds the notice for the next page. The API takes none of them: it asks for an Authorization header.
type cookieNames struct{ access, refresh, device, notice string }

// namesOf returns the names. With the prefix __Host- a browser takes a cookie over HTTPS from this very host alone: see
// https://www.rfc-editor.org/rfc/rfc6265#section-4.1.3.2 of its successor draft.
func namesOf(https bool) cookieNames {
	return cookieNames{hostPrefix(https) + "tg_access", hostPrefix(https) + "tg_refresh", hostPrefix(https) + "tg_device", hostPrefix(https) + "tg_notice"}
}

func hostPrefix(https bool) string {
	if https {
		return "__Host-"
	}
	return ""
}

const (
	languageCookie   = "tg_lang"
	languageLifetime = 365 * 24 * time.Hour
)

// cookie returns a cookie's value, empty where there is none. It allocates nothing.
func (v *Visit) cookie(name string) string {
	for _, line := range v.cookies {
		for len(line) > 0 {
			var pair string
			pair, line, _ = strings.Cut(line, ";")
			pair = strings.TrimLeft(pair, " ")
			if len(pair) > len(name) && pair[len(name)] == '=' && pair[:len(name)] == name {
				return pair[len(name)+1:]
			}
		}
	}
	return ""
}

// Who returns the shopper who is signed in; false where none is. A session whose access token has run out is refreshed on the
// way. Call it before the answer begins.
func (v *Visit) Who() (account.Principal, bool) {
	who, _ := v.WhoKnown()
	return who, !who.Customer.IsZero()
}

// WhoKnown is Who for what must not take a shopper for a stranger: it returns the store's error where it could not be found out
// who they are.
func (v *Visit) WhoKnown() (account.Principal, error) {
	if !v.known {
		v.known = true
		v.who, v.whoErr = v.authenticate()
	}
	return v.who, v.whoErr
}

func (v *Visit) authenticate() (account.Principal, error) {
	if access := v.cookie(v.site.cookies.access); access != "" {
		if who, err := v.site.Accounts.AuthenticateAt(access, v.at); err == nil {
			return who, nil
		}
	}
	refresh := v.cookie(v.site.cookies.refresh)
	if refresh == "" {
		return account.Principal{}, nil
	}
	grant, err := v.site.Accounts.Refresh(v.Request.Context(), refresh)
	if err != nil {
		if errors.Is(err, fault.Unauthenticated) {
			v.Forget()
			err = nil
		}
		return account.Principal{}, err // where the store is away, they are asked to sign in, and their cookies stay good
	}
	v.Remember(grant)
	return account.Principal{Customer: grant.Customer, Session: grant.Session, Expires: grant.AccessExpires}, nil
}

// Authenticate implements admission.Visitor. Strangers may visit: pages that need a shopper send them to sign in.
func (v *Visit) Authenticate() error {
	v.Who()
	return nil
}

// Customer implements admission.Visitor.
func (v *Visit) Customer() id.Customer { return v.who.Customer }

// Refusal returns why the shop takes no order of this visit; nil: it may. It is for order.Request.
func (v *Visit) Refusal() error { return v.site.Admission.Hold(admission.Order, v) }

// Must returns the shopper who is signed in. It returns fault.Unauthenticated, which sends a reader to sign in.
func (v *Visit) Must() (account.Principal, error) {
	who, ok := v.Who()
	if !ok {
		return who, fault.New(fault.Unauthenticated, "Sign in first.")
	}
	return who, nil
}

// SignIn sends the browser to sign in, and back here afterwards.
func (v *Visit) SignIn() {
	// A redirect cannot fail.
	_ = v.Redirect("/signin?next=" + url.QueryEscape(v.Request.URL.RequestURI()))
}

// Remember keeps a sign-in in the browser's cookies.
func (v *Visit) Remember(g account.Grant) {
	now := v.site.Clock.Now()
	v.setCookie(v.site.cookies.access, g.Access, g.AccessExpires.Sub(now))
	v.setCookie(v.site.cookies.refresh, g.Refresh, g.RefreshExpires.Sub(now))
	if g.Device != "" {
		v.setCookie(v.site.cookies.device, g.Device, account.DeviceLifetime)
	}
	v.Header()["Cache-Control"] = noStore
	v.known, v.who = true, account.Principal{Customer: g.Customer, Session: g.Session, Expires: g.AccessExpires}
}

// Device returns what the browser was given at its last sign-in; empty where there was none. Signing out leaves it.
func (v *Visit) Device() string { return v.cookie(v.site.cookies.device) }

// Forget takes the session's cookies out of the browser.
func (v *Visit) Forget() {
	v.setCookie(v.site.cookies.access, "", -1)
	v.setCookie(v.site.cookies.refresh, "", -1)
	v.Header()["Cache-Control"] = noStore
	v.known, v.who = true, account.Principal{}
}

func (v *Visit) setCookie(name, value string, lifetime time.Duration) {
	http.SetCookie(v, &http.Cookie{
		Name: name, Value: value, Path: "/", MaxAge: maxAge(lifetime), HttpOnly: true, Secure: v.site.Config.HTTPS, SameSite: http.SameSiteLaxMode,
	})
}

// Secret returns what SetSecret has kept under a name; empty where there is nothing.
func (v *Visit) Secret(name string) string { return v.cookie(v.site.secretName(name)) }

// SetSecret keeps a value in the browser that only this shop's own pages have sent back: not even a link from elsewhere does. A
// lifetime below a second takes it away.
func (v *Visit) SetSecret(name, value string, lifetime time.Duration) {
	http.SetCookie(v, &http.Cookie{
		Name: v.site.secretName(name), Value: value, Path: "/", MaxAge: maxAge(lifetime), HttpOnly: true, Secure: v.site.Config.HTTPS,
		SameSite: http.SameSiteStrictMode,
	})
}

// noticeLifetime is how long a notice waits for its page: a redirect and a slow network.
const noticeLifetime = time.Minute

// RedirectWithNotice is Redirect to a page that shows a notice once. The notice travels in a cookie, so a link cannot make the page say
// anything. notice must be a word, such as a fault's slug.
func (v *Visit) RedirectWithNotice(to, notice string) error {
	path, _, _ := strings.Cut(to, "?")
	http.SetCookie(v, v.noticeCookie(notice+"@"+path, noticeLifetime))
	return v.Redirect(to)
}

// Notice returns the notice for this page and removes it from the browser; empty where there is none. Call it before the answer begins.
func (v *Visit) Notice() string {
	value := v.cookie(v.site.cookies.notice)
	if value == "" {
		return ""
	}
	notice, path, _ := strings.Cut(value, "@")
	if path != v.Request.URL.Path {
		return ""
	}
	http.SetCookie(v, v.noticeCookie("", 0))
	return notice
}

func (v *Visit) noticeCookie(value string, lifetime time.Duration) *http.Cookie {
	return &http.Cookie{
		Name: v.site.cookies.notice, Value: value, Path: "/", MaxAge: maxAge(lifetime), HttpOnly: true, Secure: v.site.Config.HTTPS,
		SameSite: http.SameSiteStrictMode,
	}
}

func (s *Site) secretName(name string) string { return hostPrefix(s.Config.HTTPS) + name }

func maxAge(lifetime time.Duration) int {
	if lifetime < time.Second {
		return -1
	}
	return int(lifetime / time.Second)
}

// chooseLanguage keeps the language that was chosen with the switch.
func (s *Site) chooseLanguage(v *Visit) error {
	if tag := v.Form("lang"); s.Langs.Has(tag) {
		v.setCookie(languageCookie, tag, languageLifetime)
	}
	return v.Redirect(LocalPath(v.Form("next"), "/"))
}
