package encryption

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
)

func parsed(t *testing.T, text string) *Keys {
	t.Helper()
	keys, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func TestEncrypt(t *testing.T) {
	t.Parallel()
	old, fresh := NewText(), NewText()
	before, rotated, others := parsed(t, old), parsed(t, fresh+old), parsed(t, fresh)
	const row, secret = "webhook_endpoint/7", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	text := before.Encrypt(secret, row)
	if strings.Contains(text, secret) || text == before.Encrypt(secret, row) || KeyOf(text) != before.ID() {
		t.Errorf("encrypted: %s", text)
	}
	if long := before.Encrypt("whsec_"+base64.StdEncoding.EncodeToString(make([]byte, 64)), row); len(long) > 200 {
		t.Errorf("the longest secret needs %d characters: the column has 200", len(long))
	}
	flipped := []byte(text)
	flipped[len(flipped)-3] ^= 1
	for name, c := range map[string]struct {
		keys      *Keys
		text, row string
		want      string
		err       bool
	}{
		"by its key":                 {before, text, row, secret, false},
		"by an older key":            {rotated, text, row, secret, false},
		"by the newest key":          {others, rotated.Encrypt(secret, row), row, secret, false},
		"nothing":                    {before, before.Encrypt("", row), row, "", false},
		"what was never encrypted":   {before, secret, row, secret, false},
		"another row's":              {before, text, "webhook_endpoint/8", "", true},
		"another column's table":     {before, text, "other/7", "", true},
		"a bit changed":              {before, string(flipped), row, "", true},
		"cut short":                  {before, text[:len(text)-8], row, "", true},
		"cut after the mark":         {before, mark, row, "", true},
		"no base64":                  {before, mark + before.ID() + ":*", row, "", true},
		"without a body":             {before, mark + before.ID() + ":", row, "", true},
		"by a key that is not there": {others, text, row, "", true},
	} {
		got, err := c.keys.Decrypt(c.text, c.row)
		if got != c.want || (err != nil) != c.err {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		if err != nil && strings.Contains(err.Error(), "whsec") {
			t.Errorf("%s: the error tells the secret: %v", name, err)
		}
	}
	if _, err := others.Decrypt(text, row); !errors.Is(err, ErrUnknownKey) || !strings.Contains(err.Error(), before.ID()) {
		t.Errorf("a key that is not there: %v", err)
	}
	if said := fmt.Sprintf("%v %+v %#v %s", before, before, before, before); strings.Contains(said, "aead") || !strings.Contains(said, "1 encryption keys") {
		t.Errorf("printed: %s", said)
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	key := strings.Split(NewText(), "\n")[2]
	for text, ok := range map[string]bool{
		key: true, key + "\n": true, "# a\n\n" + key + "\r\n" + key: true, key + "," + key: true, " " + key + " , ": true,
		"": false, "# only\n": false, key[1:]: false, key + "AA": false, "x": false, strings.Repeat(key+"\n", keysMax+1): false,
	} {
		if _, err := Parse(text); (err == nil) != ok {
			t.Errorf("%q: %v", text, err)
		} else if err != nil && strings.Contains(err.Error(), key[1:]) {
			t.Errorf("the error tells the key: %v", err)
		}
	}
}
