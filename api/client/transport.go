package client

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"math"
	mathrand "math/rand/v2"
	"net/http"
	"strconv"
	"time"
)

const keyHeader = "Idempotency-Key"

// transport sends one request as often as that is safe and useful.
type transport struct {
	http  *http.Client
	token func(context.Context) (string, error) // nil: none
	retry Retry
}

// Do implements HttpRequestDoer. It returns an *Error for an answer of 400 and more, whose body it has read.
func (t *transport) Do(r *http.Request) (*http.Response, error) {
	if key, takes := r.Header[keyHeader]; takes && (len(key) == 0 || key[0] == "") {
		r.Header.Set(keyHeader, NewKey()) // once: every try is the same purchase
	}
	dropZeros(r)
	for try := 1; ; try++ {
		answer, err := t.once(r)
		if err == nil && answer.StatusCode < http.StatusBadRequest {
			return answer, nil
		}
		var asked time.Duration
		again := err != nil
		if err == nil {
			refused := errorOf(answer)
			err, asked = refused, refused.RetryAfter
			again = answer.StatusCode == http.StatusTooManyRequests || answer.StatusCode >= http.StatusInternalServerError
		}
		pause := max(asked, t.pause(try))
		if !again || try >= t.retry.TriesMax || !repeatable(r) || asked > t.retry.WaitMax || !wait(r.Context(), pause) {
			return nil, err
		}
	}
}

// dropZeros takes out what the caller has left out: generated code sends the zero value of such a parameter, which none of the contract takes.
func dropZeros(r *http.Request) {
	query := r.URL.Query()
	for name, values := range query {
		if len(values) == 1 && (values[0] == "" || values[0] == "0" || values[0] == "0001-01-01T00:00:00Z") {
			query.Del(name)
		}
	}
	r.URL.RawQuery = query.Encode()
	for name, values := range r.Header {
		if len(values) == 1 && values[0] == "" {
			r.Header.Del(name)
		}
	}
}

func (t *transport) once(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	if r.GetBody != nil {
		body, err := r.GetBody()
		if err != nil {
			return nil, err
		}
		r.Body = body
	}
	if t.token != nil && r.Header.Get("Authorization") == "" {
		token, err := t.token(r.Context())
		if err != nil {
			return nil, fmt.Errorf("a token for the shop: %w", err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return t.http.Do(r)
}

// repeatable reports whether the request may be sent twice: one that only reads, or that the shop knows again by its key.
func repeatable(r *http.Request) bool {
	if r.Body != nil && r.Body != http.NoBody && r.GetBody == nil {
		return false // the body is spent
	}
	return r.Method == http.MethodGet || r.Method == http.MethodHead || r.Header.Get(keyHeader) != ""
}

// pause returns how long to wait after a try: WaitMin, doubled for each before it, the half of that by chance.
func (t *transport) pause(try int) time.Duration {
	full := float64(t.retry.WaitMin) * math.Pow(2, float64(try-1))
	limited := time.Duration(min(full, float64(t.retry.WaitMax)))
	return limited/2 + mathrand.N(limited/2+1)
}

// wait waits, and reports false where the context ends before.
func wait(ctx context.Context, pause time.Duration) bool {
	if ends, has := ctx.Deadline(); has && time.Until(ends) < pause {
		return false // the last answer says more than a deadline
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// NewKey returns an idempotency key that nobody else has made. Who keeps it before the order is sent can ask again after a crash.
func NewKey() string { return rand.Text() }

// problemBytesMax bounds what is read of a refusal.
const problemBytesMax = 64 << 10

func readProblem(answer *http.Response) []byte {
	defer func() { _ = answer.Body.Close() }()
	text, _ := io.ReadAll(io.LimitReader(answer.Body, problemBytesMax)) // what cannot be read is a refusal without a reason
	return text
}

// retryAfter reads the seconds of Retry-After, which is how the shop writes it; zero where there are none.
func retryAfter(h http.Header) time.Duration {
	seconds, err := strconv.Atoi(h.Get("Retry-After"))
	if err != nil || seconds < 0 {
		return 0
	}
	return time.Duration(min(seconds, 86400)) * time.Second
}
