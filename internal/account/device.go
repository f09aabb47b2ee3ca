package account

import (
	"encoding/binary"
	"strings"
	"time"
)

// DeviceLifetime is for how long a device is known after it has signed in.
const DeviceLifetime = 366 * 24 * time.Hour

// deviceForm is what the signature of a device's token covers before its address and its own text.
const deviceForm = "tidegate device 1\n"

// newDevice returns what a device may show at its next sign-in with the address: the time, signed. Nothing of it is kept. It opens
// nothing: who has it still needs the password, and is not held up by what others try.
func (s *Service) newDevice(email string) string {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(s.clock.Now().Unix()))
	text := strictBase64.EncodeToString(b[:])
	return text + "." + s.tokens.signText(deviceForm+email+"\n"+text)
}

// knownDevice reports whether a device has signed in with the address before.
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
