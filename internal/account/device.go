package account

import (
	"encoding/binary"
	"strings"
	"time"
)

// DeviceLifetime is how long a device stays known after it has signed in.
const DeviceLifetime = 366 * 24 * time.Hour

// deviceForm precedes the address and the token's text in the signed bytes of a device token.
const deviceForm = "tidegate device 1\n"

// newDevice returns a device token for the next sign-in with the address: the signed time. It is not stored. It grants
// nothing: its holder still needs the password, but other callers' attempts do not delay it.
func (s *Service) newDevice(email string) string {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(s.clock.Now().Unix()))
	text := strictBase64.EncodeToString(b[:])
	return text + "." + s.tokens.signText(deviceForm+email+"\n"+text)
}

// knownDevice reports whether the token proves an earlier sign-in of the device with the address.
func (s *Service) knownDevice(email, token string) bool {
	text, signature, found := strings.Cut(token, ".")
	if !found || len(token) > tokenBytesMax || !s.tokens.signed(deviceForm+email+"\n"+text, signature) {
		return false
	}
	b, err := strictBase64.DecodeString(text)
	if err != nil || len(b) != 8 {
		return false
	}
	since := time.Unix(int64(binary.BigEndian.Uint64(b)), 0)
	return s.clock.Now().Sub(since) < DeviceLifetime
}
