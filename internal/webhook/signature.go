package webhook

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/clock"
	"github.com/tidegate/tidegate/internal/kernel/fault"
)

// The headers of Standard Webhooks.
const (
	headerID        = "webhook-id"
	headerTimestamp = "webhook-timestamp"
	headerSignature = "webhook-signature"
)

// secretPrefix marks a secret. A secret has 24 to 64 bytes, by the specification.
const (
	secretPrefix   = "whsec_"
	secretBytes    = 32
	secretBytesMin = 24
	secretBytesMax = 64
)

// newSecret returns a secret of 256 random bits.
func newSecret() string {
	b := make([]byte, secretBytes)
	_, _ = rand.Read(b) // never fails
	return secretText(b)
}

func secretText(key []byte) string { return secretPrefix + base64.StdEncoding.EncodeToString(key) }

// secretKey returns the bytes of a secret, or a fault.Invalid.
func secretKey(secret string) ([]byte, error) {
	text, ok := strings.CutPrefix(secret, secretPrefix)
	key, err := base64.StdEncoding.DecodeString(text)
	if !ok || err != nil || len(key) < secretBytesMin || len(key) > secretBytesMax {
		return nil, fault.Bad("secret", "It must be %s and %d to %d bytes in base64.", secretPrefix, secretBytesMin, secretBytesMax)
	}
	return key, nil
}

// errSecretUnreadable says that an endpoint's secret cannot be decrypted.
var errSecretUnreadable = errors.New("its secret cannot be decrypted with this process's keys: start it with the key that encrypted it, or rotate the secret")

// sign returns the signature header: a signature with the endpoint's secret, and, separated by a space, one with the
// previous secret while that is valid. It returns an error for an invalid secret.
func (e *Endpoint) sign(messageID string, at time.Time, body []byte) (string, error) {
	if e.Secret == "" {
		return "", errSecretUnreadable
	}
	secrets := []string{e.Secret}
	if e.SecretBefore != "" && at.Before(e.SecretBeforeUntil) {
		secrets = append(secrets, e.SecretBefore)
	}
	for i, secret := range secrets {
		key, err := secretKey(secret)
		if err != nil {
			return "", err
		}
		secrets[i] = sign(key, messageID, at, body)
	}
	return strings.Join(secrets, " "), nil
}

// sign returns a signature: HMAC-SHA256 of "id.seconds.body".
func sign(key []byte, messageID string, at time.Time, body []byte) string {
	mac := hmac.New(sha256.New, key)
	_, _ = mac.Write([]byte(messageID + "." + strconv.FormatInt(at.Unix(), 10) + "."))
	_, _ = mac.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// MessageID returns an event's id for endpoints. It is the same on every try, so a receiver recognises duplicates.
func MessageID(position int64) string { return "evt_" + strconv.FormatInt(position, 10) }

// body is the body of a delivery's request.
func body(d *Delivery) []byte {
	b := make([]byte, 0, 128+len(d.Payload))
	b = append(b, `{"type":`...)
	name, _ := json.Marshal(d.Type) // a text can always be marshalled
	b = append(b, name...)
	b = append(b, `,"timestamp":`...)
	b = clock.AppendJSON(b, d.At)
	b = append(b, `,"position":`...)
	b = strconv.AppendInt(b, d.Position, 10)
	b = append(b, `,"data":`...)
	b = append(b, d.Payload...)
	return append(b, '}')
}
