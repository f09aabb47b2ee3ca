package storefront

import (
	"net/http"
	"net/url"

	"github.com/tidegate/tidegate/internal/account"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/web/site"
)

// signPage is what signing in and up show.
type signPage struct {
	Up    bool
	Next  string
	Email string
	Wrong *fault.Error // what was wrong with what was sent
	Other string       // the address of the other of the two
}

func signOf(v *site.Visit, up bool, next string) signPage {
	p := signPage{Up: up, Next: site.LocalPath(next, "/")}
	p.Other = "/signup?next=" + url.QueryEscape(p.Next)
	if up {
		p.Other = "/signin?next=" + url.QueryEscape(p.Next)
	}
	return p
}

func (s *Storefront) showSignIn(v *site.Visit) error { return s.showSign(v, false) }

func (s *Storefront) showSignUp(v *site.Visit) error { return s.showSign(v, true) }

func (s *Storefront) showSign(v *site.Visit, up bool) error {
	page := signOf(v, up, v.Query("next"))
	if _, ok := v.Who(); ok {
		return v.Redirect(page.Next)
	}
	return v.Show(http.StatusOK, s.sign, page.title(v), page)
}

func (p *signPage) title(v *site.Visit) string {
	if p.Up {
		return v.Lang.T("signup.title")
	}
	return v.Lang.T("signin.title")
}

// again shows the form with what was wrong with it. The password is not sent back.
func (s *Storefront) again(v *site.Visit, page signPage, err error) error {
	f := fault.As(err)
	switch f.Code {
	case fault.Invalid, fault.Conflict, fault.Unauthenticated, fault.Forbidden, fault.TooManyRequests:
		page.Wrong = f
		return v.Show(f.Code.Row().Status, s.sign, page.title(v), page)
	}
	return err
}

// endSession ends the browser's current session, if there is one.
func (s *Storefront) endSession(v *site.Visit) error {
	who, err := v.WhoKnown()
	if fault.CodeOf(err) == fault.Forbidden {
		return nil // a block has ended it
	}
	if err != nil || who.Session.IsZero() {
		return err
	}
	return s.Accounts.Logout(v.Request.Context(), who)
}

func (s *Storefront) signIn(v *site.Visit) error {
	page := signOf(v, false, v.Form("next"))
	page.Email = v.Form("email")
	grant, err := s.Accounts.Login(v.Request.Context(), page.Email, v.Request.PostFormValue("password"), v.Client(), v.Device())
	if err != nil {
		return s.again(v, page, err)
	}
	if err := s.endSession(v); err != nil { // the previous session of the browser must not stay open
		return err
	}
	v.Remember(grant)
	return v.Redirect(page.Next)
}

// signUp makes an account and signs it in.
func (s *Storefront) signUp(v *site.Visit) error {
	page := signOf(v, true, v.Form("next"))
	page.Email = v.Form("email")
	password := v.Request.PostFormValue("password")
	ctx := v.Request.Context()
	if _, err := s.Accounts.Register(ctx, account.Registration{Email: page.Email, Password: password}, v.Client()); err != nil {
		return s.again(v, page, err)
	}
	grant, err := s.Accounts.Login(ctx, page.Email, password, v.Client(), v.Device())
	if err != nil {
		return s.again(v, page, err)
	}
	if err := s.endSession(v); err != nil { // the previous session of the browser must not stay open
		return err
	}
	v.Remember(grant)
	return v.Redirect(page.Next)
}

// signOut ends the session in the shop and then in the browser. If the shop fails, the browser stays signed in.
func (s *Storefront) signOut(v *site.Visit) error {
	if err := s.endSession(v); err != nil {
		return err
	}
	v.Forget()
	return v.Redirect("/")
}
