// Package client speaks to a shop over its HTTP API.
//
// A Shop has a method for each operation of the contract, generated from it, such as GetProductWithResponse. What every caller would
// otherwise write stands around them: retries where they are safe, an idempotency key where none is given, errors that say their
// code, lists without cursors, and orders whose 202 is followed to its decision.
package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// Shop is one shop, in the name of at most one customer or admin key. Safe for concurrent use.
//
// An answer of 400 and more is an *Error, from every method.
type Shop struct {
	*ClientWithResponses
}

// Option changes how a Shop is spoken to.
type Option func(*transport)

// WithToken sends a customer's access token, or an admin key, with every request.
func WithToken(token string) Option {
	return func(t *transport) { t.token = func(context.Context) (string, error) { return token, nil } }
}

// WithTokenSource asks source for the token of every try, so that one that expires can be refreshed. Source is called concurrently.
func WithTokenSource(source func(context.Context) (string, error)) Option {
	return func(t *transport) { t.token = source }
}

// WithTransport sends requests by an http.Client of the caller's, with its timeout and its proxies. Without it that is a client whose
// requests end with their context alone.
func WithTransport(c *http.Client) Option { return func(t *transport) { t.http = c } }

// Retry bounds the tries of one request.
type Retry struct {
	// TriesMax counts the first try, too; 1 means none but that.
	TriesMax int
	// WaitMin and WaitMax bound the pause before a try. It doubles from WaitMin, a random half of it left out. Where the shop asks
	// for a longer pause than WaitMax (Retry-After), its answer is returned instead.
	WaitMin, WaitMax time.Duration
}

// DefaultRetry is what a Shop does without WithRetry: at most 4 tries, with pauses of 100 ms to 10 s.
func DefaultRetry() Retry {
	return Retry{TriesMax: 4, WaitMin: 100 * time.Millisecond, WaitMax: 10 * time.Second}
}

// WithRetry sets the bounds of retries.
func WithRetry(r Retry) Option { return func(t *transport) { t.retry = r } }

// New returns the shop at a base address, such as https://shop.example.com. It sends nothing yet. It returns an error where the address
// is none, or a bound of the retries is out of range.
func New(base string, options ...Option) (*Shop, error) {
	at, err := url.Parse(base)
	if err != nil || at.Host == "" || at.Scheme != "http" && at.Scheme != "https" {
		return nil, fmt.Errorf("a shop's address is such as https://shop.example.com, not %q", base)
	}
	t := &transport{http: &http.Client{}, retry: DefaultRetry()}
	for _, o := range options {
		o(t)
	}
	if r := t.retry; t.http == nil || r.TriesMax < 1 || r.WaitMin <= 0 || r.WaitMax < r.WaitMin {
		return nil, errors.New("a shop needs an HTTP client, one try at least, and pauses above zero that do not shrink")
	}
	api, err := NewClientWithResponses(base, WithHTTPClient(t))
	if err != nil {
		return nil, err
	}
	return &Shop{api}, nil
}
