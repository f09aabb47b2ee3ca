package wire

import (
	"net/netip"
	"slices"
	"strings"
)

// forwardedHopsMax bounds the chain of proxies that is followed.
const forwardedHopsMax = 16

// Proxies are the addresses of the proxies whose X-Forwarded-For is trusted.
type Proxies []netip.Prefix

// ParseProxies reads addresses and address ranges such as 10.0.0.0/8. It returns an error for the first invalid one.
func ParseProxies(texts []string) (Proxies, error) {
	all := make(Proxies, 0, len(texts))
	for _, text := range texts {
		one, err := parseProxy(text)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, nil
}

func parseProxy(text string) (netip.Prefix, error) {
	if strings.Contains(text, "/") {
		return netip.ParsePrefix(text)
	}
	address, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Prefix{}, err
	}
	return netip.PrefixFrom(address.Unmap(), address.Unmap().BitLen()), nil
}

// Trust reports whether an address is one of the proxies.
func (p Proxies) Trust(a netip.Addr) bool {
	return slices.ContainsFunc(p, func(one netip.Prefix) bool { return one.Contains(a) })
}

// ClientAddress returns the client's address. That is the peer, unless the peer is one of the proxies: then it is the
// rightmost address in X-Forwarded-For that is not a proxy. The client can forge everything left of that. ClientAddress
// calls forwarded, which returns the header's values joined by commas, only if the peer is a proxy. It returns the zero
// address if the peer has none, as in tests.
func (p Proxies) ClientAddress(peer netip.Addr, forwarded func() string) netip.Addr {
	peer = peer.Unmap()
	if !p.Trust(peer) {
		return peer
	}
	hops := strings.Split(forwarded(), ",")
	slices.Reverse(hops)
	for _, hop := range hops[:min(len(hops), forwardedHopsMax)] {
		address := ParseHop(strings.TrimSpace(hop))
		if !address.IsValid() {
			break // not an address: nothing left of it can be trusted
		}
		peer = address
		if !p.Trust(address) {
			break
		}
	}
	return peer
}

// ParseHop reads an address with or without a port. It returns the zero address if the text is invalid.
func ParseHop(text string) netip.Addr {
	if withPort, err := netip.ParseAddrPort(text); err == nil {
		return withPort.Addr().Unmap()
	}
	address, err := netip.ParseAddr(strings.Trim(text, "[]"))
	if err != nil {
		return netip.Addr{}
	}
	return address.Unmap()
}
