package redis

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"
)

// Client is the shop's Redis client. Concurrent commands share writes on a connection. A reply must come within
// redis.reply_timeout, or sooner if the caller's context ends. The client reconnects automatically. It is safe for
// concurrent use.
//
// After a broken connection the client resends read-only commands until the context ends. It never resends scripts and
// writes, because their outcome is unknown.
type Client struct {
	rueidis.Client
	config  Config
	servers []Server
}

// sentinelLookEvery is how often the client asks the Sentinels for the master, in addition to their announcements. A
// lost announcement would otherwise leave it with the old master.
const sentinelLookEvery = 5 * time.Second

// clusterLookEvery is how often the client reads the Cluster's slots, in addition to following redirections.
const clusterLookEvery = 10 * time.Second

// Connect connects to Redis and checks the requirements of the shop: see Server. Its error is one sentence that names
// the setting and the remedy.
func Connect(ctx context.Context, c Config) (*Client, error) {
	options, err := c.options()
	if err != nil {
		return nil, err
	}
	client, err := rueidis.NewClient(options)
	if err != nil {
		return nil, c.explain(err)
	}
	connected := &Client{Client: client, config: c}
	ctx, cancel := context.WithTimeout(ctx, c.DialTimeout+4*c.ReplyTimeout)
	defer cancel()
	if connected.servers, err = connected.inspect(ctx); err != nil {
		client.Close()
		return nil, err
	}
	return connected, nil
}

func (c Config) options() (rueidis.ClientOption, error) {
	secure, err := c.tls()
	dialer := net.Dialer{Timeout: c.DialTimeout, KeepAlive: rueidis.DefaultTCPKeepAlive}
	o := rueidis.ClientOption{
		InitAddress:       c.Addresses,
		Username:          c.User,
		Password:          c.Password,
		ClientName:        c.Prefix,
		TLSConfig:         secure,
		Dialer:            dialer,
		ConnWriteTimeout:  c.ReplyTimeout,
		PipelineMultiplex: bits.Len(uint(c.Connections)) - 1,
		ForceSingleClient: !c.Cluster && c.SentinelMaster == "",
		// Packages that cache values listen for invalidations on their own connections.
		DisableCache: true,
	}
	if c.SentinelMaster != "" {
		o.Sentinel = rueidis.SentinelOption{
			MasterSet: c.SentinelMaster, Username: c.SentinelUser, Password: c.SentinelPassword, ClientName: c.Prefix,
			TLSConfig: secure, Dialer: dialer, TopologyRefreshInterval: sentinelLookEvery,
		}
	}
	if c.Cluster {
		o.ClusterOption.ShardsRefreshInterval = clusterLookEvery
	}
	return o, err
}

// trackedBytesMax bounds the client-side cache of one connection. It holds a few numbers for each sold-out sale.
const trackedBytesMax = 1 << 20

// Tracking is a client with a client-side cache that Redis invalidates. It is safe for concurrent use.
type Tracking struct {
	rueidis.Client
	changes atomic.Uint64
}

// Changes counts invalidations and lost connections, which may hide invalidations. While the count does not change,
// every answer of DoCache is still current.
func (t *Tracking) Changes() uint64 { return t.changes.Load() }

// Tracking opens one more connection to each server. Its DoCache answers from memory until Redis reports a change of
// the key or the connection is lost. Call Close to end it.
func (c *Client) Tracking() (*Tracking, error) {
	o, err := c.config.options()
	if err != nil {
		return nil, err
	}
	t := &Tracking{}
	o.DisableCache, o.CacheSizeEachConn, o.PipelineMultiplex = false, trackedBytesMax, 0
	o.OnInvalidations = func([]rueidis.RedisMessage) { t.changes.Add(1) }
	if !c.config.Cluster {
		o.PipelineMultiplex = -1 // -1 disables multiplexing; 0 would mean the default of four
	}
	if t.Client, err = rueidis.NewClient(o); err != nil {
		return nil, c.config.explain(err)
	}
	return t, nil
}

// Key returns the Redis key made of the prefix and the parts, separated by colons. In a Cluster, a part in braces
// determines the slot.
func (c *Client) Key(parts ...string) string {
	return c.config.Prefix + ":" + strings.Join(parts, ":")
}

// ReplyTimeout is how long a reply may take before the connection counts as broken.
func (c *Client) ReplyTimeout() time.Duration { return c.config.ReplyTimeout }

// Servers returns the properties of each server, as read at connection.
func (c *Client) Servers() []Server { return c.servers }

// Ping returns nil if Redis answers. Its error is one sentence that says what to check.
func (c *Client) Ping(ctx context.Context) error {
	for _, node := range c.Nodes() {
		if err := node.Do(ctx, node.B().Ping().Build()).Error(); err != nil {
			return c.config.explain(err)
		}
	}
	return nil
}

// explain describes a connection failure in one sentence: the cause, the setting and the remedy.
func (c Config) explain(err error) error {
	at := strings.Join(c.Addresses, ", ")
	if refused, ok := rueidis.IsRedisErr(err); ok {
		return c.explainRefusal(refused, at)
	}
	switch {
	case errors.Is(err, context.Canceled):
		return err
	case c.SentinelMaster != "":
		return fmt.Errorf("no Sentinel at %s (redis.addresses) leads to a master of the set %q (redis.sentinel_master): start them, or correct the two settings: %w",
			at, c.SentinelMaster, err)
	default:
		return fmt.Errorf("no Redis answers at %s (redis.addresses): start it, or name another address: %w", at, err)
	}
}

func (c Config) explainRefusal(refused *rueidis.RedisError, at string) error {
	text := refused.Error()
	switch {
	case refused.IsNil():
		return fmt.Errorf("the Sentinels at %s (redis.addresses) know no master set %q: correct redis.sentinel_master", at, c.SentinelMaster)
	case strings.HasPrefix(text, "NOAUTH"), strings.HasPrefix(text, "WRONGPASS"), strings.Contains(text, "AUTH"):
		return fmt.Errorf("the Redis at %s does not take redis.user and redis.password: correct them: %w", at, refused)
	case strings.HasPrefix(text, "NOPERM"):
		return fmt.Errorf("the Redis at %s does not let redis.user do what the shop needs: allow it all commands on keys that begin with %s: %w",
			at, strconv.Quote(c.Prefix+":"), refused)
	case strings.Contains(text, "cluster support disabled"):
		return fmt.Errorf("the Redis at %s (redis.addresses) is no node of a Cluster: leave redis.cluster out, or name a node: %w", at, refused)
	case refused.IsLoading():
		return fmt.Errorf("the Redis at %s (redis.addresses) is still loading its data: start the shop again when it has: %w", at, refused)
	case c.SentinelMaster != "" && strings.Contains(text, "SENTINEL"):
		return fmt.Errorf("what answers at %s (redis.addresses) is no Sentinel: name the Sentinels, or leave redis.sentinel_master out: %w", at, refused)
	default:
		return fmt.Errorf("the Redis at %s (redis.addresses) refuses the shop: %w", at, refused)
	}
}
