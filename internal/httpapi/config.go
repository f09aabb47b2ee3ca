package httpapi

import (
	"net"
	"net/http"
	"time"

	"github.com/tidegate/tidegate/internal/admission/limit"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/wire"
)

// Config is the part of the configuration that the public listener has.
type Config struct {
	Address              string        `koanf:"address" help:"where the public listener listens, host:port; port 0 takes a free one"`
	HeaderTimeout        time.Duration `koanf:"header_timeout" help:"how long a client may take to send the headers, 100ms to 1m"`
	ReadTimeout          time.Duration `koanf:"read_timeout" help:"how long a client may take to send a whole request, 1s to 10m"`
	RequestTimeout       time.Duration `koanf:"request_timeout" help:"how long the shop works on one request, 1s to 5m; imports, exports and audits are not held to it"`
	WriteTimeout         time.Duration `koanf:"write_timeout" help:"how long a request may take from its headers to the last byte of its answer, 1s to 10m; more than request_timeout"`
	IdleTimeout          time.Duration `koanf:"idle_timeout" help:"how long a connection may rest between requests, 1s to 1h"`
	TrustedProxies       []string      `koanf:"trusted_proxies" help:"addresses and ranges, such as 10.0.0.0/8, of the proxies before this listener; X-Forwarded-For is believed from them alone"`
	CORSOrigins          []string      `koanf:"cors_origins" help:"origins of storefronts elsewhere, such as https://www.shop.example, whose scripts may use the API; * allows all; the admin routes allow none"`
	ConnectionsMax       int           `koanf:"connections_max" help:"connections that are open at once, 1 to 1000000; further ones wait until one is closed"`
	ClientConnectionsMax int           `koanf:"client_connections_max" help:"connections, and streams, that one client address (one /64 for IPv6) holds at once, 1 to 1000000, on both lanes together; 0: no bound; a proxy of trusted_proxies has none" live:"true"`
	HeaderBytesMax       int           `koanf:"header_bytes_max" help:"bytes of headers, 4096 to 1048576"`
	RateLimit            limit.Config  `koanf:"rate_limit"`
}

// DefaultConfig returns the defaults: this machine only.
func DefaultConfig() Config {
	return Config{
		Address:              "127.0.0.1:8080",
		HeaderTimeout:        5 * time.Second,
		ReadTimeout:          15 * time.Second,
		RequestTimeout:       40 * time.Second, // more than the longest wait for an order
		WriteTimeout:         time.Minute,
		IdleTimeout:          2 * time.Minute,
		ConnectionsMax:       20_000, // some 20 KiB each
		ClientConnectionsMax: 4000,   // a carrier has thousands of shoppers behind one address
		HeaderBytesMax:       16 << 10,
		RateLimit:            limit.DefaultConfig(),
	}
}

// Validate returns a fault.Invalid for the first value that is not allowed.
func (c Config) Validate() error {
	if _, _, err := net.SplitHostPort(c.Address); err != nil {
		return fault.Bad("address", "%q is not an address: write host:port, such as 127.0.0.1:8080", c.Address)
	}
	for _, d := range []struct {
		field       string
		value       time.Duration
		least, most time.Duration
	}{
		{"header_timeout", c.HeaderTimeout, 100 * time.Millisecond, time.Minute},
		{"read_timeout", c.ReadTimeout, time.Second, 10 * time.Minute},
		{"request_timeout", c.RequestTimeout, time.Second, 5 * time.Minute},
		{"write_timeout", c.WriteTimeout, time.Second, 10 * time.Minute},
		{"idle_timeout", c.IdleTimeout, time.Second, time.Hour},
	} {
		if d.value < d.least || d.value > d.most {
			return fault.Bad(d.field, "a duration from %s to %s, not %s", d.least, d.most, d.value)
		}
	}
	for _, text := range c.TrustedProxies {
		if _, err := wire.ParseProxies([]string{text}); err != nil {
			return fault.Bad("trusted_proxies", "%q is neither an address nor a range such as 10.0.0.0/8", text)
		}
	}
	if _, err := wire.ParseOrigins(c.CORSOrigins); err != nil {
		return err
	}
	switch {
	case c.WriteTimeout <= c.RequestTimeout:
		return fault.Bad("write_timeout", "must be more than request_timeout, %s, so that an answer can still be sent", c.RequestTimeout)
	case c.ConnectionsMax < 1 || c.ConnectionsMax > 1_000_000:
		return fault.Bad("connections_max", "a number from 1 to 1000000, not %d", c.ConnectionsMax)
	case c.ClientConnectionsMax < 0 || c.ClientConnectionsMax > 1_000_000:
		return fault.Bad("client_connections_max", "a number from 0 to 1000000, not %d", c.ClientConnectionsMax)
	case c.HeaderBytesMax < 4096 || c.HeaderBytesMax > 1<<20:
		return fault.Bad("header_bytes_max", "a number from 4096 to 1048576, not %d", c.HeaderBytesMax)
	}
	return nil
}

// HTTPServer returns a server for handler with the limits of the configuration. It is not listening yet.
func (c Config) HTTPServer(handler http.Handler) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: c.HeaderTimeout,
		ReadTimeout:       c.ReadTimeout,
		WriteTimeout:      c.WriteTimeout,
		IdleTimeout:       c.IdleTimeout,
		MaxHeaderBytes:    c.HeaderBytesMax,
	}
}
