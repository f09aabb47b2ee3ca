package wire

import (
	"net/netip"
	"strings"
	"testing"
)

// FuzzClientAddress: a peer that is not a proxy is the client, whatever its header says. Behind a proxy, the client's
// address is in the header, or is the proxy's.
func FuzzClientAddress(f *testing.F) {
	proxies, err := ParseProxies([]string{"10.0.0.0/8", "::1"})
	if err != nil {
		f.Fatal(err)
	}
	proxy, stranger := netip.MustParseAddr("10.1.2.3"), netip.MustParseAddr("198.51.100.7")
	for _, seed := range []string{"", "203.0.113.9", "203.0.113.9, 10.9.9.9", "[2001:db8::1]:443", "::ffff:203.0.113.9", ", ,", "unknown", "fe80::1%eth0"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, said string) {
		if got := proxies.ClientAddress(stranger, func() string { return said }); got != stranger {
			t.Errorf("%q of a stranger makes it %s", said, got)
		}
		got := proxies.ClientAddress(proxy, func() string { return said })
		if got == proxy {
			return
		}
		for hop := range strings.SplitSeq(said, ",") {
			if ParseHop(strings.TrimSpace(hop)) == got {
				return
			}
		}
		t.Errorf("%q makes it %s, which nobody said", said, got)
	})
}
