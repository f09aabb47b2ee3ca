package httpapi

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// forwardedHopsMax bounds how many proxies one behind the other are followed.
const forwardedHopsMax = 16

// ClientAddress returns whom a request comes from: the peer, or, where the peer is one of the configured proxies, the
// nearest address in X-Forwarded-For that is none of them. What stands further left in that header was written by the
// client and is believed by nobody. It returns the zero address where the peer has none, as in tests.
func (c Config) ClientAddress(r *http.Request) netip.Addr {
	peer := parseHop(r.RemoteAddr)
	if !c.trusts(peer) {
		return peer
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	slices.Reverse(hops)
	for _, hop := range hops[:min(len(hops), forwardedHopsMax)] {
		address := parseHop(strings.TrimSpace(hop))
		if !address.IsValid() {
			break // not an address: what is left of it is no better
		}
		peer = address
		if !c.trusts(address) {
			break
		}
	}
	return peer
}

// parseHop reads an address with or without a port.
func parseHop(text string) netip.Addr {
	if withPort, err := netip.ParseAddrPort(text); err == nil {
		return withPort.Addr().Unmap()
	}
	address, err := netip.ParseAddr(strings.Trim(text, "[]"))
	if err != nil {
		return netip.Addr{}
	}
	return address.Unmap()
}

// trusts reports whether the address is one of the configured proxies. It reads the list each time: only the requests
// that hash a password ask, and those are few and dear.
func (c Config) trusts(address netip.Addr) bool {
	return slices.ContainsFunc(c.TrustedProxies, func(text string) bool {
		proxies, err := parseProxies(text)
		return err == nil && proxies.Contains(address)
	})
}

// parseProxies reads an address or a range of addresses, such as 10.0.0.0/8.
func parseProxies(text string) (netip.Prefix, error) {
	if !strings.Contains(text, "/") {
		address, err := netip.ParseAddr(text)
		if err != nil {
			return netip.Prefix{}, err
		}
		return netip.PrefixFrom(address.Unmap(), address.Unmap().BitLen()), nil
	}
	return netip.ParsePrefix(text)
}
