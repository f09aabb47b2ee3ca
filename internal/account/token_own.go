package account

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"hash"
	"strconv"
	"strings"
	"sync"
	"time"
	"unsafe"

	"github.com/tidegate/tidegate/internal/kernel/id"
)

// ownForm is how Sign writes a token, in the order in which the claims are marshalled. On the night of a drop each shopper's
// token is new to the process; one of this form is verified in a fifth of the time that the library takes. Whatever is not
// exactly of it, or is anything but good, is the library's to judge.
type ownForm struct {
	header    string // encoded, with the dot behind it
	toSubject string
	toExpires string
}

const (
	toIssued  = `,"iat":`
	toSession = `,"sid":"`
)

func newOwnForm(issuer, audience string) ownForm {
	return ownForm{
		header:    base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS256","typ":"JWT"}`)) + ".",
		toSubject: `{"iss":` + quoted(issuer) + `,"sub":"`,
		toExpires: `","aud":[` + quoted(audience) + `],"exp":`,
	}
}

// quoted returns the text as the claims have it: as encoding/json writes it.
func quoted(text string) string {
	b, err := json.Marshal(text)
	if err != nil {
		panic(err) // a string can always be written
	}
	return string(b)
}

// verifyOwn verifies a token of our own form that has not expired. It reports false for any other.
func (t *Tokens) verifyOwn(token string) (v verified, ok bool) {
	dot := strings.LastIndexByte(token, '.')
	if dot < len(t.own.header) || !strings.HasPrefix(token, t.own.header) || !t.signed(token[:dot], token[dot+1:]) {
		return v, false
	}
	// What is signed was written by Sign; that it is read as it was written is what the rest makes sure of.
	var buffer [tokenBytesMax]byte
	n, err := strictBase64.Decode(buffer[:], []byte(token[len(t.own.header):dot]))
	if err != nil {
		return v, false
	}
	rest := string(buffer[:n])
	var customer, session, expires, issued int64
	rest, ok = strings.CutPrefix(rest, t.own.toSubject)
	ok = ok && takeNumber(&rest, &customer) && takeText(&rest, t.own.toExpires) && takeNumber(&rest, &expires) &&
		takeText(&rest, toIssued) && takeNumber(&rest, &issued)
	if ok && takeText(&rest, toSession) {
		ok = takeNumber(&rest, &session) && takeText(&rest, `"`)
	}
	if !ok || rest != "}" {
		return v, false
	}
	v.principal = Principal{Customer: id.Customer(customer), Session: id.Session(session), Expires: time.Unix(expires, 0).UTC()}
	v.issued = time.Unix(issued, 0).UTC()
	return v, t.clock.Now().Before(v.principal.Expires)
}

// strictBase64 refuses trailing bits, so that a token has one spelling.
var strictBase64 = base64.RawURLEncoding.Strict()

// signed reports whether one of the keys has signed the text.
func (t *Tokens) signed(text, signature string) bool {
	var given [sha256.Size + 3]byte
	if base64.RawURLEncoding.DecodedLen(len(signature)) != sha256.Size {
		return false
	}
	if _, err := strictBase64.Decode(given[:], []byte(signature)); err != nil {
		return false
	}
	for i := range t.macs {
		mac := t.macs[i].Get().(hash.Hash)
		mac.Reset()
		mac.Write(unsafe.Slice(unsafe.StringData(text), len(text))) // a hash keeps and changes nothing
		var sum [sha256.Size]byte
		ok := hmac.Equal(mac.Sum(sum[:0]), given[:sha256.Size])
		t.macs[i].Put(mac)
		if ok {
			return true
		}
	}
	return false
}

// macsOf returns, for each key, a pool of keyed hashes: keying one costs as much as hashing a token.
func macsOf(ring Keyring) []sync.Pool {
	macs := make([]sync.Pool, len(ring.keys))
	for i, key := range ring.keys {
		macs[i].New = func() any { return hmac.New(sha256.New, key) }
	}
	return macs
}

func takeText(rest *string, text string) bool {
	after, ok := strings.CutPrefix(*rest, text)
	if ok {
		*rest = after
	}
	return ok
}

// takeNumber takes the digits of a number as an id or a time has them: no sign, no leading zero, no fraction.
func takeNumber(rest *string, n *int64) bool {
	end := 0
	for end < len(*rest) && (*rest)[end] >= '0' && (*rest)[end] <= '9' {
		end++
	}
	if end == 0 || (*rest)[0] == '0' {
		return false
	}
	var err error
	*n, err = strconv.ParseInt((*rest)[:end], 10, 64)
	*rest = (*rest)[end:]
	return err == nil
}
