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

// ownForm is the form in which Sign writes a token, in the order in which the claims are marshalled. In a live sale
// most tokens are new to the process, and one of this form is verified five times as fast as by the library. Tokens of
// any other form, and invalid ones, are left to the library.
type ownForm struct {
	header    string // encoded, with the dot after it
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

// quoted returns the text as encoding/json writes it in the claims.
func quoted(text string) string {
	b, err := json.Marshal(text)
	if err != nil {
		panic(err) // a string can always be marshalled
	}
	return string(b)
}

// verifyOwn verifies an unexpired token of the shop's own form. It returns false for any other.
func (t *Tokens) verifyOwn(token string) (v verified, ok bool) {
	dot := strings.LastIndexByte(token, '.')
	if dot < len(t.own.header) || !strings.HasPrefix(token, t.own.header) || !t.signed(token[:dot], token[dot+1:]) {
		return v, false
	}
	// Only Sign writes signed text. The rest makes sure that it is read as it was written.
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

// strictBase64 rejects trailing bits, so that a token has one spelling.
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
		mac.Write(unsafe.Slice(unsafe.StringData(text), len(text))) // a hash neither keeps nor changes its input
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

// takeNumber reads the digits of an id or a time: no sign, no leading zero, no fraction.
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
