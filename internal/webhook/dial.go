package webhook

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"syscall"
	"time"
)

// errInternalAddress says why an address is not dialled.
var errInternalAddress = errors.New("its address is internal, and webhooks.allow_networks does not allow it")

// global is the global unicast range of IPv6 (RFC 4291). No other address, such as ::127.0.0.1, is on the public
// internet.
var global = netip.MustParsePrefix("2000::/3")

// internalNetworks are networks outside the public internet, to which no stranger may direct the shop's requests. See
// https://www.iana.org/assignments/iana-ipv4-special-registry and its IPv6 counterpart. They include the metadata
// addresses of clouds (169.254.169.254, 100.100.100.200, 192.0.0.192, and the public 168.63.129.16).
var internalNetworks = prefixes(
	"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "168.63.129.16/32", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
	"192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
	"2001::/23", "2001:db8::/32", "3fff::/20",
)

// carriers are networks whose addresses contain an IPv4 address: NAT64 and 6to4. The guard checks the contained
// address.
var carriers = []struct {
	network netip.Prefix
	at      int // the first of the four bytes
}{
	{netip.MustParsePrefix("64:ff9b::/96"), 12},
	{netip.MustParsePrefix("2002::/16"), 2},
}

func prefixes(texts ...string) []netip.Prefix {
	all := make([]netip.Prefix, len(texts))
	for i, t := range texts {
		all[i] = netip.MustParsePrefix(t)
	}
	return all
}

// isPublic reports whether an address is on the public internet.
func isPublic(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	for _, c := range carriers {
		if c.network.Contains(a) {
			b := a.As16()
			return isPublic(netip.AddrFrom4([4]byte(b[c.at : c.at+4])))
		}
	}
	if a.Is6() && (!global.Contains(a) || isISATAP(a) && !isPublic(netip.AddrFrom4([4]byte(a.AsSlice()[12:])))) {
		return false
	}
	return !slices.ContainsFunc(internalNetworks, func(p netip.Prefix) bool { return p.Contains(a) })
}

// isISATAP reports whether an address ends in an IPv4 address to which it is tunnelled (RFC 5214).
func isISATAP(a netip.Addr) bool {
	b := a.As16()
	return b[8]&^2 == 0 && b[9] == 0 && b[10] == 0x5e && b[11] == 0xfe
}

// addressGuard decides which addresses are dialled. It checks the address of each connection after the name was
// resolved, so a name that changes its address gains nothing.
type addressGuard struct {
	allowed []netip.Prefix
	// plain requires an allowed network: unencrypted requests stay inside.
	plain bool
}

func (g addressGuard) check(a netip.Addr) error {
	a = a.Unmap().WithZone("")
	if slices.ContainsFunc(g.allowed, func(p netip.Prefix) bool { return p.Contains(a) }) {
		return nil
	}
	if !isPublic(a) {
		return fmt.Errorf("%s: %w", a, errInternalAddress)
	}
	if g.plain {
		return fmt.Errorf("%s is told nothing over http, which anyone on the way can read: use https", a)
	}
	return nil
}

// control implements net.Dialer.Control.
func (g addressGuard) control(_, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("the address %q cannot be read: %w", address, err)
	}
	return g.check(to.Addr())
}

// Limits of the clients' connections.
const (
	idlePerEndpointMax = perEndpoint
	idleMax            = 256
	idleTimeout        = 30 * time.Second
	headerBytesMax     = 16 << 10
)

// newTransport returns a transport that dials only what the guard allows. It uses no proxy, because a proxy would dial
// instead. The client follows no redirects.
func newTransport(g addressGuard, timeout time.Duration, trust *tls.Config) *http.Transport {
	dialer := &net.Dialer{Timeout: timeout, Control: g.control}
	return &http.Transport{
		DialContext:            dialer.DialContext,
		TLSClientConfig:        trust,
		ForceAttemptHTTP2:      true,
		TLSHandshakeTimeout:    timeout,
		ResponseHeaderTimeout:  timeout,
		MaxIdleConns:           idleMax,
		MaxIdleConnsPerHost:    idlePerEndpointMax,
		MaxConnsPerHost:        perEndpoint,
		IdleConnTimeout:        idleTimeout,
		MaxResponseHeaderBytes: headerBytesMax,
	}
}

// noRedirect keeps a request that is signed for one address from going to another.
func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// reasonOf describes a failed try to the endpoint's operators.
func reasonOf(err error) string {
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return "no answer in time"
	case errors.Is(err, errInternalAddress):
		return errInternalAddress.Error()
	}
	var dns *net.DNSError
	if errors.As(err, &dns) {
		return "its name cannot be looked up"
	}
	text := err.Error()
	if len(text) > 300 {
		text = text[:300]
	}
	return text
}
