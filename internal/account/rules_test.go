package account

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/admission/limit"
	"github.com/tidegate/tidegate/internal/kernel/clock"
	"github.com/tidegate/tidegate/internal/kernel/fault"
)

func TestNormaliseEmail(t *testing.T) {
	good := map[string]string{
		"ann@example.com":           "ann@example.com",
		"  Ann@Example.COM\n":       "ann@example.com",
		"ann.b+tag@mail.example.uk": "ann.b+tag@mail.example.uk",
		"ＡＮＮ@example.com":           "ann@example.com", // full-width letters
		"jose\u0301@example.com":    "jos\u00e9@example.com",
		"李@example.com":             "李@example.com",
		"x@xn--bcher-kva.example":   "x@xn--bcher-kva.example",
		"x@bücher.example":          "x@xn--bcher-kva.example",
		"X@BU\u0308CHER.Example.":   "x@xn--bcher-kva.example",
		"ｘ＠ｂücher。example":          "x@xn--bcher-kva.example",
		"x@XN--BCHER-KVA.example":   "x@xn--bcher-kva.example",
		"李@例え。テスト":                  "李@xn--r8jz45g.xn--zckzah",
		"ann@example.com.":          "ann@example.com",
		"ann@EXAMPLE。COM｡":          "ann@example.com",
		"ann@xn--99zzzz.example":    "ann@xn--99zzzz.example", // as accepted earlier
		"o'neil@example.com":        "o'neil@example.com",
	}
	for in, want := range good {
		got, err := NormaliseEmail(in)
		if err != nil || got != want {
			t.Errorf("NormaliseEmail(%q) = %q, %v; want %q", in, got, err, want)
		}
		if again, err := NormaliseEmail(got); err != nil || again != got {
			t.Errorf("NormaliseEmail is not stable on %q: %q, %v", got, again, err)
		}
	}
	bad := []string{
		"", " ", "ann", "@example.com", "ann@", "ann@example", "ann@@example.com", "a@b@example.com", "ann@.com", "ann@example..com",
		"ann@example.com..", "ann@.", "ann@bücher..example", "ann@bücher", "ann@bü cher.example", "ann@bü\x00cher.example", "ann@bü\ncher.example",
		"ann\x1b[1m@example.com", "ann\ufe0f @example.com", "ann\u202e@example.com", "a@" + strings.Repeat("ü", 60) + ".com", "ann@-example.com", "ann@example-.com", "ann@exa mple.com", "an n@example.com", "ann@exam_ple.com",
		".ann@example.com", "ann.@example.com", "a..b@example.com", `"a b"@example.com`, "ann\x00@example.com", "ann\r\nBcc: x@example.com",
		"ann\u200b@example.com", "ann@[127.0.0.1]", "<ann@example.com>", "a＠b＠example.com", "\xff@example.com",
		strings.Repeat("a", 65) + "@example.com", "a@" + strings.Repeat("b", 64) + ".com", "a@" + strings.Repeat("b.", 130) + "com", strings.Repeat("a", 1<<20),
	}
	for _, in := range bad {
		if got, err := NormaliseEmail(in); fault.As(err).Field != "email" || !errors.Is(err, fault.Invalid) {
			t.Errorf("NormaliseEmail(%.60q) = %q, %v; want invalid email", in, got, err)
		}
	}
}

func TestPasswordPolicy(t *testing.T) {
	check := func(password string) error {
		prepared, err := preparePassword(password)
		if err != nil {
			return err
		}
		return checkPassword(prepared, "annabelle@example.com")
	}
	for _, good := range []string{"correct horse", "zwölfzeichen", "密码密码很长很长", "  spaces  ", "aaaaaaab", strings.Repeat("éa", passwordCharactersMax/2)} {
		if err := check(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for name, bad := range map[string]string{
		"empty":               "",
		"seven":               "1234abc",
		"seven letters":       "äöüäöüß",
		"one letter repeated": "aaaaaaaaaaaa",
		"common":              "Password123",
		"the address":         "Annabelle@example.com",
		"part of the address": "annabelle",
		"too long":            strings.Repeat("ab", passwordCharactersMax/2) + "c",
		"a megabyte":          strings.Repeat("ab", 1<<19),
		"not UTF-8":           "abcdefg\xff",
		"NUL":                 "abcdefg\x00h",
		"two lines":           "abcdefg\nhij",
	} {
		if err := check(bad); fault.As(err).Field != "password" || !errors.Is(err, fault.Invalid) {
			t.Errorf("%s: %v, want invalid password", name, err)
		}
	}
}

// cheap is a cost for tests.
var cheap = argon{memoryKiB: 64, passes: 1, lanes: 1}

func TestPasswordHash(t *testing.T) {
	hash := cheap.hash("correct horse")
	if again := cheap.hash("correct horse"); again == hash {
		t.Error("two hashes of one password are equal: there is no salt")
	}
	if !strings.HasPrefix(hash, "$argon2id$v=19$m=64,t=1,p=1$") {
		t.Errorf("%q is not in the PHC format", hash)
	}
	for password, want := range map[string]bool{"correct horse": true, "Correct horse": false, "": false, "correct horse ": false} {
		if got, cost, err := matches(password, hash); got != want || cost != cheap || err != nil {
			t.Errorf("matches(%q) = %t, %v, %v; want %t", password, got, cost, err, want)
		}
	}
	if ok, _, err := matches("", cheap.decoy()); ok || err != nil {
		t.Errorf("the decoy: %t, %v", ok, err)
	}
	parts := strings.Split(hash, "$")
	for name, bad := range map[string]string{
		"empty":          "",
		"another scheme": strings.Replace(hash, "argon2id", "argon2i", 1),
		"old version":    strings.Replace(hash, "v=19", "v=16", 1),
		"all memory":     strings.Replace(hash, "m=64", "m=4294967295", 1),
		"no passes":      strings.Replace(hash, "t=1", "t=0", 1),
		"many lanes":     strings.Replace(hash, "p=1", "p=300", 1),
		"no hash":        strings.Join(parts[:5], "$") + "$",
		"short hash":     strings.TrimSuffix(hash, hash[len(hash)-10:]),
		"no salt":        strings.Replace(hash, parts[4], "", 1),
		"bad salt":       strings.Replace(hash, parts[4], "!!", 1),
	} {
		if ok, _, err := matches("correct horse", bad); ok || err == nil {
			t.Errorf("%s: %t, %v; want an error", name, ok, err)
		}
	}
}

func BenchmarkPassword(b *testing.B) {
	cost := DefaultConfig().argon()
	hash := cost.hash("correct horse")
	b.ReportAllocs()
	for b.Loop() {
		if ok, _, err := matches("correct horse", hash); !ok || err != nil {
			b.Fatal(ok, err)
		}
	}
}

func TestJudgeRefresh(t *testing.T) {
	const window = 10 * time.Second
	c := DefaultConfig()
	s0, t0 := openSession(5, 1, noon, c)
	s1, t1 := s0.rotate(t0, noon.Add(time.Minute), c)
	s2, t2 := s1.rotate(t1, noon.Add(2*time.Minute), c)
	at := noon.Add(2 * time.Minute)
	_, stranger := openSession(5, 1, noon, c)
	guessed := t2
	guessed.secret[0]++
	ended, expired := s2, s2
	ended.RevokedAt = at
	expired.ExpiresAt = at
	for _, v := range []struct {
		name    string
		session Session
		token   refreshToken
		at      time.Time
		want    verdict
	}{
		{"the first token", s0, t0, noon, rotate},
		{"the current token", s2, t2, at.Add(time.Hour), rotate},
		{"the one before, its reply lost", s2, t1, at.Add(window), repeat},
		{"the one before, later", s2, t1, at.Add(window + 1), revoke},
		{"an older one, at once", s2, t0, at, revoke},
		{"an older one, within the seconds of the one after it", s2, t0, at.Add(time.Second), revoke},
		{"an older one, later", s2, t0, at.Add(time.Hour), revoke},
		{"made up, the session's number known", s2, stranger, at.Add(time.Hour), refuse},
		{"made up, on a new session", s0, stranger, noon.Add(time.Hour), refuse},
		{"a secret guessed from an old token, at once", s2, guessed, at, revoke},
		{"a secret guessed from an old token", s2, guessed, at.Add(time.Hour), revoke},
		{"of an ended session", ended, t2, at, refuse},
		{"old, of an ended session", ended, t0, at.Add(time.Hour), refuse},
		{"of an expired session", expired, t2, at, refuse},
	} {
		if got := v.session.judge(v.token, v.at, window); got != v.want {
			t.Errorf("%s: %d, want %d", v.name, got, v.want)
		}
	}
	if again := s2.successor(t1); again != t2 {
		t.Error("the repeated answer is another token")
	}
	if wrong := s2.successor(t0); wrong == t2 {
		t.Error("an older token leads to the current one")
	}
	if t1.secret == t0.secret || t2.secret == t1.secret || t2.family != t0.family {
		t.Error("rotating must change the secret and keep the family")
	}
}

func TestSessionEnd(t *testing.T) {
	c := DefaultConfig()
	whole := noon.Add(c.SessionLifetime)
	if got := sessionEnd(noon, noon, c); !got.Equal(noon.Add(c.SessionIdle)) {
		t.Errorf("a new session ends at %s", got)
	}
	if got := sessionEnd(noon, whole.Add(-time.Hour), c); !got.Equal(whole) {
		t.Errorf("a refreshed session outlives its lifetime: %s", got)
	}
}

func TestAttempts(t *testing.T) {
	now := clock.NewManual(noon)
	a := attempts{limit.NewMemory(now, 100), "account:", limit.Rate{Burst: 3, Every: time.Minute}}
	take := func(key string) error {
		_, err := a.take(t.Context(), key)
		return err
	}
	for range 3 {
		if err := take("ann"); err != nil {
			t.Fatal(err)
		}
	}
	now.Advance(15 * time.Second)
	err := take("ann")
	if !errors.Is(err, fault.TooManyRequests) || fault.As(err).RetryAfter != 45*time.Second {
		t.Errorf("the fourth: %v after %s, want too many requests after 45s", err, fault.As(err).RetryAfter)
	}
	if err := take("bob"); err != nil {
		t.Errorf("another account: %v", err)
	}
	now.Advance(45 * time.Second)
	if err := take("ann"); err != nil {
		t.Errorf("a minute later: %v", err)
	}
	if err := take("ann"); !errors.Is(err, fault.TooManyRequests) {
		t.Errorf("twice a minute later: %v", err)
	}
	a.forgive(t.Context(), "ann")
	giveBack, err := a.take(t.Context(), "ann")
	if err != nil {
		t.Fatal(err)
	}
	giveBack()
	for range 3 {
		if err := take("ann"); err != nil {
			t.Errorf("after a try was given back: %v", err)
		}
	}
}

func TestClientKey(t *testing.T) {
	for in, want := range map[string]string{
		"192.0.2.7":            "192.0.2.7",
		"::ffff:192.0.2.7":     "192.0.2.7",
		"2001:db8:1:2:3:4:5:6": "2001:db8:1:2::",
		"2001:db8:1:2::9":      "2001:db8:1:2::",
		"fe80::1%eth0":         "fe80::",
	} {
		if got := clientKey(netip.MustParseAddr(in)); got != want {
			t.Errorf("clientKey(%s) = %s, want %s", in, got, want)
		}
	}
}

func TestParseRoles(t *testing.T) {
	roles, err := ParseRoles([]string{"sales", "catalog"})
	if err != nil || roles.String() != "catalog sales" {
		t.Errorf("%v, %v", roles, err)
	}
	for _, v := range []struct {
		roles Roles
		role  Role
		want  bool
	}{
		{roles, RoleSales, true}, {roles, RoleOrders, false}, {roles, RoleAll, false},
		{Roles{RoleAll}, RolePayments, true}, {Roles{RoleAll}, RoleAll, true}, {nil, RoleCatalog, false},
	} {
		if got := (Admin{Roles: v.roles}).May(v.role); got != v.want {
			t.Errorf("%v may %s = %t", v.roles, v.role, got)
		}
	}
	for _, bad := range [][]string{nil, {}, {""}, {"Sales"}, {"sales", "sales"}, {"sales catalog"}, {"root"}} {
		if got, err := ParseRoles(bad); fault.As(err).Field != "roles" || !errors.Is(err, fault.Invalid) {
			t.Errorf("ParseRoles(%q) = %v, %v", bad, got, err)
		}
	}
}

func TestKeyFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys", "signing.key")
	if _, err := ReadKeyring(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("reading no file: %v", err)
	}
	rings := make([]Keyring, 8)
	var wg sync.WaitGroup
	for i := range rings {
		wg.Go(func() {
			var err error
			if rings[i], err = OpenKeyring(path); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, ring := range rings {
		if len(ring.keys) != 1 || string(ring.keys[0]) != string(rings[0].keys[0]) {
			t.Fatal("two processes made different keys")
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v; want 0600", info.Mode(), err)
	}
	files, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(files) != 1 {
		t.Errorf("%d files are left beside the key, %v", len(files), err)
	}
	if err := os.Chmod(path, 0o604); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenKeyring(path); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("a key that the world reads: %v", err)
	}
}

func TestParseKeyring(t *testing.T) {
	const key = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	if ring, err := ParseKeyring("# two\n\n " + key + " \r\n" + key + key + "\n"); err != nil || len(ring.keys) != 2 {
		t.Errorf("%v, %v", ring, err)
	}
	for name, bad := range map[string]string{
		"empty":     "",
		"a comment": "# none\n",
		"short":     key[:40],
		"not text":  "\x00\x01",
		"too many":  strings.Repeat(key+"\n", signingKeysMax+1),
	} {
		_, err := ParseKeyring(bad)
		if err == nil {
			t.Errorf("%s: taken", name)
		} else if strings.Contains(err.Error(), key[:40]) {
			t.Errorf("%s: the error shows the key: %v", name, err)
		}
	}
}

func TestConfig(t *testing.T) {
	if err := DefaultConfig().Validate(); err != nil {
		t.Fatal(err)
	}
	for key, change := range map[string]func(*Config){
		"issuer":                     func(c *Config) { c.Issuer = "" },
		"audience":                   func(c *Config) { c.Audience = strings.Repeat("x", 101) },
		"access_lifetime":            func(c *Config) { c.AccessLifetime = 2 * time.Hour },
		"session_idle":               func(c *Config) { c.SessionIdle = time.Minute },
		"session_lifetime":           func(c *Config) { c.SessionLifetime = c.SessionIdle - 1 },
		"refresh_repeat":             func(c *Config) { c.RefreshRepeat = 0 },
		"sessions_per_customer_max":  func(c *Config) { c.SessionsPerCustomerMax = 0 },
		"password_memory_kib":        func(c *Config) { c.PasswordMemoryKiB = 1 << 40 },
		"password_passes":            func(c *Config) { c.PasswordPasses = -1 },
		"password_lanes":             func(c *Config) { c.PasswordLanes = 257 },
		"password_hashes_max":        func(c *Config) { c.PasswordHashesMax = -1 },
		"account_attempts_max":       func(c *Config) { c.AccountAttemptsMax = 0 },
		"client_attempt_every":       func(c *Config) { c.ClientAttemptEvery = 0 },
		"tokens_remembered_max":      func(c *Config) { c.TokensRememberedMax = 0 },
		"revocations_remembered_max": func(c *Config) { c.RevocationsRememberedMax = -5 },
	} {
		c := DefaultConfig()
		change(&c)
		if err := c.Validate(); fault.As(err).Field != key {
			t.Errorf("%s: %v", key, err)
		}
	}
}
