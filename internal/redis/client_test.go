package redis_test

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/redis"
	"github.com/tidegate/tidegate/test/engine"
)

func configFor(address string) redis.Config {
	c := redis.DefaultConfig()
	c.Addresses = []string{address}
	c.DialTimeout, c.ReplyTimeout = time.Minute, time.Minute // no test here means to meet them
	return c
}

func TestConnect(t *testing.T) {
	t.Parallel()
	server := engine.Redis(t, "--requirepass", "opensesame", "--appendonly", "yes")
	c := configFor(server.Address)
	c.Password = "opensesame"
	client, err := redis.Connect(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if key := client.Key("gate", "{7}"); key != "tidegate:gate:{7}" {
		t.Error(key)
	}
	if err := client.Ping(t.Context()); err != nil {
		t.Error(err)
	}
	found := client.Servers()
	if len(found) != 1 {
		t.Fatalf("%+v", found)
	}
	s := found[0]
	if s.Address != server.Address || s.Role != "master" || s.Mode != "standalone" || !s.AppendOnly || s.EvictionPolicy != "noeviction" ||
		len(s.ReplicationID) != 40 || s.ReplicasLeast != "0" {
		t.Errorf("%+v", s)
	}
	server.Kill()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if err := client.Ping(ctx); err == nil || !strings.Contains(err.Error(), "redis.addresses") {
		t.Errorf("a server that is gone: %v", err)
	}
	server.Start()
	if err := client.Ping(t.Context()); err != nil {
		t.Errorf("a server that has come back: %v", err)
	}
}

// What cannot be relied on is refused in one sentence that names the setting and what to do.
func TestConnectRefuses(t *testing.T) {
	t.Parallel()
	plain := engine.Redis(t)
	locked := engine.Redis(t, "--requirepass", "opensesame")
	evicting := engine.Redis(t, "--maxmemory-policy", "allkeys-lru")
	host, port, _ := net.SplitHostPort(plain.Address)
	replica := engine.Redis(t, "--replicaof", host+" "+port)
	node := engine.Redis(t, "--cluster-enabled", "yes")
	set := func(change func(*redis.Config)) func(*redis.Config) { return change }
	same := set(func(*redis.Config) {})
	for _, c := range []struct {
		name, address string
		change        func(*redis.Config)
		wants         []string
	}{
		{"unreachable", engine.FreeAddress(t), same, []string{"no Redis answers", "redis.addresses", "start it"}},
		{"no password", locked.Address, same, []string{"redis.user and redis.password", "correct them"}},
		{"wrong password", locked.Address, set(func(c *redis.Config) { c.Password = "guess" }), []string{"redis.password", "correct them"}},
		{"unknown user", locked.Address, set(func(c *redis.Config) { c.User, c.Password = "nobody", "x" }), []string{"redis.user", "correct them"}},
		{"too old", engine.OldRedis(t, "5.0.14"), same, []string{"redis.addresses", "6.2", "upgrade it"}},
		{"a replica", replica.Address, same, []string{"redis.addresses", "is a replica", "name its master"}},
		{"may evict", evicting.Address, same, []string{"maxmemory-policy", "noeviction", "allkeys-lru"}},
		{"a node of a Cluster", node.Address, same, []string{"set redis.cluster"}},
		{"no node of a Cluster", plain.Address, set(func(c *redis.Config) { c.Cluster = true }), []string{"redis.cluster", "leave"}},
		{"no Sentinel", plain.Address, set(func(c *redis.Config) { c.SentinelMaster = "shop" }), []string{"redis.sentinel_master"}},
		{"no TLS there", plain.Address, set(func(c *redis.Config) { c.TLS, c.DialTimeout = true, 500*time.Millisecond }), []string{"redis.addresses"}},
		{"no authority file", plain.Address, set(func(c *redis.Config) { c.TLS, c.TLSAuthorityFile = true, "/nowhere.pem" }), []string{"redis.tls_authority_file"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := configFor(c.address)
			c.change(&config)
			if err := config.Validate(); err != nil {
				t.Fatal(err)
			}
			client, err := redis.Connect(t.Context(), config)
			if err == nil {
				client.Close()
				t.Fatal("it was taken")
			}
			for _, want := range c.wants {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q is missing: %v", want, err)
				}
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("not one sentence: %v", err)
			}
		})
	}
}

// A server whose clock is apart is refused.
func TestConnectWithClocksApart(t *testing.T) {
	t.Parallel()
	old := engine.RedisApart(t, -time.Minute)
	_, err := redis.Connect(t.Context(), configFor(old))
	for _, want := range []string{"clock", "redis.clock_apart_max", "NTP"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Fatalf("%q is missing: %v", want, err)
		}
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		field  string
		change func(*redis.Config)
	}{
		{"", func(*redis.Config) {}},
		{"", func(c *redis.Config) { c.Addresses, c.Cluster = []string{"a:1", "b:2"}, true }},
		{"", func(c *redis.Config) { c.Addresses, c.SentinelMaster = []string{"a:1", "b:2"}, "shop" }},
		{"addresses", func(c *redis.Config) { c.Addresses = []string{"localhost"} }},
		{"addresses", func(c *redis.Config) { c.Addresses = []string{":6379"} }},
		{"addresses", func(c *redis.Config) { c.Addresses = []string{"a:1", "b:2"} }},
		{"cluster", func(c *redis.Config) { c.Cluster, c.SentinelMaster = true, "shop" }},
		{"prefix", func(c *redis.Config) { c.Prefix = "" }},
		{"prefix", func(c *redis.Config) { c.Prefix = "{shop}" }},
		{"connections", func(c *redis.Config) { c.Connections = 3 }},
		{"connections", func(c *redis.Config) { c.Connections = 0 }},
		{"reply_timeout", func(c *redis.Config) { c.ReplyTimeout = time.Hour }},
		{"tls_authority_file", func(c *redis.Config) { c.TLSAuthorityFile = "a.pem" }},
	} {
		config := redis.DefaultConfig()
		c.change(&config)
		err := config.Validate()
		if c.field == "" && err != nil || c.field != "" && (err == nil || !strings.Contains(err.Error(), "invalid "+c.field+":")) {
			t.Errorf("%+v: %v", config, err)
		}
	}
}
