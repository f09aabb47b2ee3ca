package account

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
)

// ConsoleLifetime is how long a sign-in to the console is good: a night's work and the morning after.
const ConsoleLifetime = 16 * time.Hour

// consoleForm is what the signature of a console's token covers before the token's own text, so that no other thing that
// the same keys sign can stand for one.
const consoleForm = "tidegate console 1\n"

// OpenConsole signs an admin in with a key. The token that it returns stands for the key in a browser's cookie, so that the
// key itself is kept nowhere; it ends with ConsoleLifetime, and within a second of the key. It returns an Unauthenticated
// fault, TooManyRequests, and what Store returns.
func (s *Service) OpenConsole(ctx context.Context, keyText string, client netip.Addr) (string, error) {
	giveBack, err := s.byClient.take(ctx, clientKey(client))
	if err != nil {
		return "", err
	}
	if _, err := s.AuthenticateAdmin(ctx, keyText); err != nil {
		return "", err
	}
	giveBack() // only keys that are none count
	key, err := parseKeyText(keyText)
	if err != nil {
		return "", err
	}
	text := key.String() + "." + strconv.FormatInt(s.clock.Now().Add(ConsoleLifetime).Unix(), 10)
	return text + "." + s.tokens.signConsole(text), nil
}

// AuthenticateConsole returns whom a console's token stands for. It returns an Unauthenticated fault, and what Store returns.
func (s *Service) AuthenticateConsole(ctx context.Context, token string) (Admin, error) {
	dot := strings.LastIndexByte(token, '.')
	if dot < 0 || len(token) > tokenBytesMax || !s.tokens.signed(consoleForm+token[:dot], token[dot+1:]) {
		return Admin{}, errBadConsole()
	}
	number, end, _ := strings.Cut(token[:dot], ".")
	key, err := id.Parse[id.AdminKey](number)
	if err != nil {
		return Admin{}, errBadConsole()
	}
	expires, err := strconv.ParseInt(end, 10, 64)
	if err != nil || s.clock.Now().Unix() >= expires {
		return Admin{}, errBadConsole()
	}
	known, err := s.holder(ctx, key)
	return known.admin, err
}

func errBadConsole() error {
	return fault.New(fault.Unauthenticated, "Sign in to the console with an admin key.")
}

func (t *Tokens) signConsole(text string) string {
	mac := hmac.New(sha256.New, t.ring.keys[0])
	mac.Write([]byte(consoleForm + text))
	return strictBase64.EncodeToString(mac.Sum(nil))
}
