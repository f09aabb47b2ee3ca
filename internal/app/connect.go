package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Shop is a shop that a command works on, through its admin API: a running one, or one that this process has opened because
// nobody else holds its folder.
type Shop struct {
	// URL is the shop's base address.
	URL string
	// Running says that another process serves the shop.
	Running bool

	client *http.Client
	close  func() error
}

// A command that finds the folder held by a process that does not serve looks again: it may be starting, or stopping.
const (
	startPatience = 5 * time.Second
	lookEvery     = 50 * time.Millisecond
)

// Connect finds the shop. With a target it is the one at that address. Else it is the one in the data folder: through
// the process that runs it, or opened by this one. It returns an error where there is no shop in the folder, because a
// mistyped folder should not become a new one. Close the Shop when done.
func Connect(ctx context.Context, c Config, o Options, t Target) (*Shop, error) {
	if t.URL != "" {
		return connectURL(t)
	}
	deadline := time.Now().Add(startPatience)
	for {
		a, err := openExisting(ctx, c, o)
		held, isHeld := errors.AsType[*HeldError](err)
		switch {
		case err == nil:
			return a.connectSelf(ctx)
		case !isHeld:
			return nil, err
		}
		if shop, err := connectRunning(held); shop != nil || err != nil {
			return shop, err
		}
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("%w, and does not serve yet: try again in a moment", held)
		}
		rest(ctx, lookEvery, nil)
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
}

// openExisting opens the shop in the folder. Where nothing says that one is there, it returns a *HeldError if a process holds the
// folder: its shop may be in MySQL, which the settings of a command need not say.
func openExisting(ctx context.Context, c Config, o Options) (*App, error) {
	if err := mustExist(c); err != nil {
		if held := whoHolds(c.Data); held != nil {
			return nil, held
		}
		return nil, err
	}
	return New(ctx, c, o)
}

func connectURL(t Target) (*Shop, error) {
	base, err := url.Parse(strings.TrimSuffix(t.URL, "/"))
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return nil, fmt.Errorf("the target must be an address such as http://127.0.0.1:8080, not %q", t.URL)
	}
	if t.AdminKey == "" {
		return nil, fmt.Errorf("a target needs an admin key: --admin-key, or %s in the environment", EnvAdminKey)
	}
	return newShop(base.String(), t.AdminKey, http.DefaultTransport, true, func() error { return nil }), nil
}

// connectRunning reads the running process's address and key from the folder. It returns nil where they are not there.
func connectRunning(held *HeldError) (*Shop, error) {
	var r Running
	found, err := readJSON(held.Folder, runningFile, &r)
	if err != nil {
		return nil, fmt.Errorf("the shop in %s is running, but its address cannot be read (is it another user's?): %w", held.Folder, err)
	}
	if !found {
		return nil, nil
	}
	return newShop(r.Public, r.AdminKey, http.DefaultTransport, true, func() error { return nil }), nil
}

// connectSelf serves the admin API of this App to its own process, over connections in memory: a command then does the
// same on a folder as on a running shop.
func (a *App) connectSelf(ctx context.Context) (*Shop, error) {
	if err := a.load(ctx); err != nil {
		return nil, errors.Join(err, a.Close())
	}
	l := newPipeListener()
	server := a.publicServer()
	failed := make(chan error, 1)
	go serve(server, l, failed)
	transport := &http.Transport{DialContext: l.dial}
	stop := func() error {
		transport.CloseIdleConnections()
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), a.config.Process.ShutdownGrace)
		defer cancel()
		return errors.Join(server.Shutdown(grace), a.Close())
	}
	return newShop("http://shop.internal", a.localKey, transport, false, stop), nil
}

func newShop(base, key string, t http.RoundTripper, running bool, stop func() error) *Shop {
	client := &http.Client{Transport: withKey{key, t}, CheckRedirect: noRedirect}
	return &Shop{URL: base, Running: running, client: client, close: stop}
}

// noRedirect keeps the key from being sent elsewhere.
func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// Close ends the work on the shop.
func (s *Shop) Close() error { return s.close() }

// Call sends a request to a path of the admin API, such as /v1/admin/sales, and returns the answer, whose body the caller
// closes. The content type may be empty where the body is nil. It returns the fault that the shop answered with.
func (s *Shop) Call(ctx context.Context, method, path, contentType string, body io.Reader) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, method, s.URL+path, body)
	if err != nil {
		return nil, err
	}
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	return s.send(r)
}

// send sends a request of the admin API. An answer of 300 or more is an error that says what the shop said.
func (s *Shop) send(r *http.Request) (*http.Response, error) {
	answer, err := s.client.Do(r)
	if err != nil {
		return nil, fmt.Errorf("the shop at %s does not answer: %w", s.URL, errors.Unwrap(err))
	}
	if answer.StatusCode < 300 {
		return answer, nil
	}
	defer func() { _ = answer.Body.Close() }()
	return nil, refusalOf(answer)
}

// JSON calls with a JSON body, unless in is nil, and decodes the JSON answer, unless out is nil.
func (s *Shop) JSON(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	contentType := ""
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body, contentType = bytes.NewReader(text), "application/json"
	}
	answer, err := s.Call(ctx, method, path, contentType, body)
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

// pipeListener is a net.Listener whose connections are pipes in memory.
type pipeListener struct {
	connections chan net.Conn
	closed      context.Context
	close       context.CancelFunc
}

func newPipeListener() *pipeListener {
	closed, stop := context.WithCancel(context.Background())
	return &pipeListener{connections: make(chan net.Conn), closed: closed, close: stop}
}

func (l *pipeListener) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case l.connections <- localConn{server}:
		return client, nil
	case <-l.closed.Done():
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Accept implements net.Listener.
func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.connections:
		return c, nil
	case <-l.closed.Done():
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (l *pipeListener) Close() error {
	l.close()
	return nil
}

// Addr implements net.Listener.
func (l *pipeListener) Addr() net.Addr { return pipeAddr{} }

// localConn says that its other end is on this machine, in the form that the limits per client address expect.
type localConn struct{ net.Conn }

// RemoteAddr implements net.Conn.
func (localConn) RemoteAddr() net.Addr { return pipeAddr{} }

type pipeAddr struct{}

// Network implements net.Addr.
func (pipeAddr) Network() string { return "pipe" }

// String implements net.Addr.
func (pipeAddr) String() string { return "127.0.0.1:0" }
