// Package adminclient speaks the admin API of a shop for the command line. The shop is a running one, or one that the
// command itself has opened because nobody else holds its folder: app.Connect decides which.
package adminclient

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// The environment variables that name a running shop.
const (
	EnvTarget   = "TIDEGATE_TARGET"
	EnvAdminKey = "TIDEGATE_ADMIN_KEY"
)

// Target names a running shop: the base address of its public listener, such as https://shop.example.com, and an admin
// key. The zero value is the shop in the data folder.
type Target struct{ URL, AdminKey string }

// Client speaks the admin API of one shop. Close it when done.
type Client struct {
	// URL is the shop's base address.
	URL string
	// Running says that another process serves the shop.
	Running bool

	client *http.Client
	close  func() error
	reason string
}

// NewTarget returns the client of a target. It sends nothing yet. It returns an error where the target is no address, or has no key.
func NewTarget(t Target) (*Client, error) {
	base, err := url.Parse(strings.TrimSuffix(t.URL, "/"))
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return nil, fmt.Errorf("the target must be an address such as http://127.0.0.1:8080, not %q", t.URL)
	}
	if t.AdminKey == "" {
		return nil, fmt.Errorf("a target needs an admin key: --admin-key, or %s in the environment", EnvAdminKey)
	}
	return NewRunning(base.String(), t.AdminKey), nil
}

// NewRunning returns the client of a shop that another process serves at a base address.
func NewRunning(base, adminKey string) *Client {
	return &Client{URL: base, Running: true, client: newHTTP(adminKey, http.DefaultTransport), close: func() error { return nil }}
}

// NewLocal returns the client of a shop in this process, which transport reaches. Close calls stop.
func NewLocal(adminKey string, transport http.RoundTripper, stop func() error) *Client {
	return &Client{URL: "http://shop.internal", client: newHTTP(adminKey, transport), close: stop}
}

func newHTTP(adminKey string, t http.RoundTripper) *http.Client {
	return &http.Client{Transport: withKey{adminKey, t}, CheckRedirect: noRedirect}
}

// noRedirect keeps the key from being sent elsewhere.
func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// Because returns a client whose changes stand in the audit log with a reason; empty: with none.
func (c *Client) Because(reason string) *Client {
	with := *c
	with.reason = reason
	return &with
}

// Close ends the work on the shop.
func (c *Client) Close() error { return c.close() }

// Call sends a request to a path of the admin API, such as /v1/admin/sales, and returns the answer, whose body the caller
// closes. The content type may be empty where the body is nil. It returns the fault that the shop answered with.
func (c *Client) Call(ctx context.Context, method, path, contentType string, body io.Reader) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, method, c.URL+path, body)
	if err != nil {
		return nil, err
	}
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	return c.send(r)
}

// send sends a request of the admin API. An answer of 300 or more is an error that says what the shop said.
func (c *Client) send(r *http.Request) (*http.Response, error) {
	if c.reason != "" {
		r.Header.Set("Audit-Reason", url.PathEscape(c.reason))
	}
	answer, err := c.client.Do(r)
	if err != nil {
		return nil, fmt.Errorf("the shop at %s does not answer: %w", c.URL, errors.Unwrap(err))
	}
	if answer.StatusCode < 300 {
		return answer, nil
	}
	defer func() { _ = answer.Body.Close() }()
	return nil, refusalOf(answer)
}

// JSON calls with a JSON body, unless in is nil, and decodes the JSON answer, unless out is nil.
func (c *Client) JSON(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	contentType := ""
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body, contentType = bytes.NewReader(text), "application/json"
	}
	answer, err := c.Call(ctx, method, path, contentType, body)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	if out == nil {
		return nil
	}
	if err := json.NewDecoder(answer.Body).Decode(out); err != nil {
		return fmt.Errorf("the shop's answer to %s %s cannot be read: %w", method, path, err)
	}
	return nil
}

// problemBytesMax bounds what is read of a refusal.
const problemBytesMax = 64 << 10

func refusalOf(answer *http.Response) error {
	text, err := io.ReadAll(io.LimitReader(answer.Body, problemBytesMax))
	if err != nil {
		return fmt.Errorf("the shop's answer cannot be read: %w", err)
	}
	return problemOf(answer, text)
}

// withKey adds the admin key to every request.
type withKey struct {
	key string
	to  http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (t withKey) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+t.key)
	return t.to.RoundTrip(r)
}
