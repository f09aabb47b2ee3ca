// Package redis is shared by everything that uses Redis: the gate, the cache, sessions and rate limits. It has the
// configuration, the client, the names of keys, and the checks of a server.
package redis

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/fault"
)

// Config is the configuration of Redis. Without addresses the shop runs without Redis.
type Config struct {
	Addresses        []string      `koanf:"addresses" help:"host:port of Redis; of some nodes of the cluster with redis.cluster, of the Sentinels with redis.sentinel_master; empty: the shop works without Redis"`
	Cluster          bool          `koanf:"cluster" help:"the addresses are nodes of a Redis Cluster"`
	SentinelMaster   string        `koanf:"sentinel_master" help:"name of the master set that the Sentinels at the addresses watch; empty: they are no Sentinels"`
	SentinelUser     string        `koanf:"sentinel_user" help:"user that the Sentinels know"`
	SentinelPassword string        `koanf:"sentinel_password" help:"password for the Sentinels" secret:"true"`
	User             string        `koanf:"user" help:"user that Redis knows; empty: its default user"`
	Password         string        `koanf:"password" help:"password for Redis" secret:"true"`
	TLS              bool          `koanf:"tls" help:"speak TLS to Redis and to the Sentinels"`
	TLSAuthorityFile string        `koanf:"tls_authority_file" help:"PEM file of the authorities that sign the servers' certificates; empty: those of the machine"`
	Prefix           string        `koanf:"prefix" help:"what the names of the shop's keys begin with; two shops in one Redis need two"`
	DialTimeout      time.Duration `koanf:"dial_timeout" help:"how long a connection to Redis may take, 10ms to 1m"`
	ReplyTimeout     time.Duration `koanf:"reply_timeout" help:"how long Redis may take to answer before its connection counts as broken, 10ms to 1m"`
	Connections      int           `koanf:"connections" help:"connections to each server that requests share, pipelined: 1, 2, 4, 8, 16 or 32"`
	ClockApartMax    time.Duration `koanf:"clock_apart_max" help:"how far this machine's clock may be from that of Redis at the start, 10ms to 1m"`
}

// connectionsMax bounds the connections to one server. More connections only spread commands that could share a write.
const connectionsMax = 32

// DefaultConfig returns the defaults: no Redis.
func DefaultConfig() Config {
	return Config{
		Prefix:        "tidegate",
		DialTimeout:   2 * time.Second,
		ReplyTimeout:  time.Second,
		Connections:   4,
		ClockApartMax: time.Second,
	}
}

// Enabled reports whether Redis is configured.
func (c Config) Enabled() bool { return len(c.Addresses) > 0 }

// Validate returns a fault.Invalid for the first invalid value.
func (c Config) Validate() error {
	for _, address := range c.Addresses {
		if host, port, err := net.SplitHostPort(address); err != nil || host == "" || port == "" {
			return fault.Bad("addresses", "%q is not an address: write host:port, such as 127.0.0.1:6379", address)
		}
	}
	switch {
	case c.Cluster && c.SentinelMaster != "":
		return fault.Bad("cluster", "a Cluster has no Sentinels: leave redis.cluster or redis.sentinel_master out")
	case len(c.Addresses) > 1 && !c.Cluster && c.SentinelMaster == "":
		return fault.Bad("addresses", "more than one address needs redis.cluster, or redis.sentinel_master")
	case !prefixIsGood(c.Prefix):
		return fault.Bad("prefix", "1 to 32 letters, digits, dots, dashes and underlines, not %q", c.Prefix)
	case c.TLSAuthorityFile != "" && !c.TLS:
		return fault.Bad("tls_authority_file", "it needs redis.tls")
	case c.Connections < 1 || c.Connections > connectionsMax || c.Connections&(c.Connections-1) != 0:
		return fault.Bad("connections", "1, 2, 4, 8, 16 or 32, not %d", c.Connections)
	}
	for _, d := range []struct {
		field string
		value time.Duration
	}{{"dial_timeout", c.DialTimeout}, {"reply_timeout", c.ReplyTimeout}, {"clock_apart_max", c.ClockApartMax}} {
		if d.value < 10*time.Millisecond || d.value > time.Minute {
			return fault.Bad(d.field, "a duration from 10ms to 1m, not %s", d.value)
		}
	}
	return nil
}

// prefixIsGood rejects braces: in a Cluster they determine a key's slot, and only the keys themselves may do that.
func prefixIsGood(prefix string) bool {
	if prefix == "" || len(prefix) > 32 {
		return false
	}
	return strings.Trim(prefix, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_") == ""
}

// tls returns the TLS configuration, or nil without TLS.
func (c Config) tls() (*tls.Config, error) {
	if !c.TLS {
		return nil, nil
	}
	t := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.TLSAuthorityFile == "" {
		return t, nil
	}
	pem, err := os.ReadFile(c.TLSAuthorityFile)
	if err != nil {
		return nil, fmt.Errorf("redis.tls_authority_file cannot be read: %w", err)
	}
	t.RootCAs = x509.NewCertPool()
	if !t.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("redis.tls_authority_file, %s, holds no certificate: name a file in PEM form", c.TLSAuthorityFile)
	}
	return t, nil
}
