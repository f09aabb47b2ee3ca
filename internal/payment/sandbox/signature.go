package sandbox

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/keyfile"
	"github.com/tidegate/tidegate/internal/payment"
)

// The headers of a notification.
const (
	HeaderTimestamp = "Sandbox-Timestamp" // seconds since 1970
	HeaderSignature = "Sandbox-Signature" // "v1=" and the hexadecimal HMAC-SHA256 of timestamp, full stop and body
)

// tolerance bounds the difference between a notification's timestamp and the shop's clock. If it were longer, a
// recorded notification could be replayed for longer. If it were shorter, clocks that differ by minutes would lose
// payments.
const tolerance = 5 * time.Minute

// Sign sets the headers that prove who sent the body and when.
func Sign(header http.Header, secret string, body []byte, at time.Time) {
	stamp := strconv.FormatInt(at.Unix(), 10)
	header.Set(HeaderTimestamp, stamp)
	header.Set(HeaderSignature, "v1="+hex.EncodeToString(mac(secret, stamp, body)))
}

func mac(secret, stamp string, body []byte) []byte {
	h := hmac.New(sha256.New, []byte(secret))
	h.Write([]byte(stamp)) // a hash never fails
	h.Write([]byte{'.'})
	h.Write(body)
	return h.Sum(nil)
}

// VerifyNotification implements payment.Provider.
func (p *Provider) VerifyNotification(header http.Header, body []byte, now time.Time) (payment.Report, error) {
	stamp := header.Get(HeaderTimestamp)
	text, ok := strings.CutPrefix(header.Get(HeaderSignature), "v1=")
	got, err := hex.DecodeString(text)
	if !ok || err != nil || !hmac.Equal(got, mac(p.secret, stamp, body)) {
		return payment.Report{}, fault.New(fault.BadSignature, "The signature does not fit the body and its timestamp.")
	}
	// The timestamp is parsed only after its signature was verified.
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil || now.Sub(time.Unix(seconds, 0)).Abs() > tolerance {
		return payment.Report{}, fault.New(fault.BadSignature, "The timestamp is more than %d minutes from the shop's clock.", int(tolerance.Minutes()))
	}
	var m message
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(&m); err != nil {
		return payment.Report{}, fault.Wrap(fault.BadRequest, err, "The notification cannot be read.")
	}
	if m.State == payment.Waiting || m.State == payment.Missing {
		m.State = payment.Missing // a waiting payment is no news
	}
	return payment.Report{Attempt: m.Attempt, Order: m.Order, State: m.State, Amount: m.Amount, Reference: m.Reference}, nil
}

// OpenSecret returns the configured secret. If that is empty, it returns the secret in the file at path, and creates a
// missing file: 256 random bits, readable only by its owner. Two processes that create it concurrently get the same
// secret.
func OpenSecret(configured, path string) (string, error) {
	if configured != "" {
		return configured, nil
	}
	secret, err := readSecret(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return secret, err
	}
	if err := makeSecret(path); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", fmt.Errorf("the sandbox's secret cannot be kept: %w", err)
	}
	return readSecret(path)
}

func readSecret(path string) (string, error) {
	text, err := keyfile.Read(path)
	if err != nil {
		return "", fmt.Errorf("the sandbox's secret: %w", err)
	}
	secret := strings.TrimSpace(text)
	if len(secret) < secretMin {
		return "", fmt.Errorf("the sandbox's secret: %s holds fewer than %d characters; remove it, and a new one is made", path, secretMin)
	}
	return secret, nil
}

func makeSecret(path string) error {
	secret := make([]byte, 32)
	rand.Read(secret) // never fails
	return keyfile.Create(path, hex.EncodeToString(secret)+"\n")
}
