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

// Client is the shop's client of Redis. Commands that are under way at the same time share their writes; every answer is
// waited for no longer than redis.reply_timeout, or the caller's context where that ends sooner. A connection that is lost is
// made again by itself. It is safe for concurrent use.
//
// Commands that only read are sent again after a broken connection, until the context ends; scripts and writes never are:
// their outcome is not known then.
type Client struct {
	rueidis.Client
	config  Config
	servers []Server
}

// sentinelLookEvery is how often the Sentinels are asked who the master is, beside what they announce: an announcement that
// is lost would leave the client with the old master.
const sentinelLookEvery = 5 * time.Second

// clusterLookEvery is how often the Cluster is asked which node has which slots, beside its redirections.
const clusterLookEvery = 10 * time.Second

// Connect connects to Redis and checks what the shop relies on; see Server. It returns an error of one sentence, which names
// the setting and what to do.
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
		// What is in memory is the modules' affair: they are told what has changed on connections of their own.
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

// trackedBytesMax bounds what a tracking client keeps for each connection: a few numbers for each sale that is sold out.
const trackedBytesMax = 1 << 20

// Tracking is a client that Redis tells of changed keys. Safe for concurrent use.
type Tracking struct {
	rueidis.Client
	changes atomic.Uint64
}

// Changes counts what the client was told: keys that it has read were changed, or a connection was lost, and with it what
// would have been told. As long as it stays, everything that DoCache has answered stays true.
func (t *Tracking) Changes() uint64 { return t.changes.Load() }

// Tracking connects to the same servers once more, over one connection each. Its DoCache answers from memory until Redis has
// said that the key was changed, or the connection is lost. Close ends it.
func (c *Client) Tracking() (*Tracking, error) {
	o, err := c.config.options()
	if err != nil {
		return nil, err
	}
	t := &Tracking{}
	o.DisableCache, o.CacheSizeEachConn, o.PipelineMultiplex = false, trackedBytesMax, 0
	o.OnInvalidations = func([]rueidis.RedisMessage) { t.changes.Add(1) }
	if !c.config.Cluster {
		o.PipelineMultiplex = -1 // there 0 is the default of four
	}
	if t.Client, err = rueidis.NewClient(o); err != nil {
		return nil, c.config.explain(err)
	}
	return t, nil
}

// Key returns the name of a key of the shop: its prefix and the parts, parted by colons. A part in braces is what a Cluster
// chooses the slot by.
func (c *Client) Key(parts ...string) string {
	return c.config.Prefix + ":" + strings.Join(parts, ":")
}

// ReplyTimeout is how long an answer may take before the connection counts as broken.
func (c *Client) ReplyTimeout() time.Duration { return c.config.ReplyTimeout }

// Servers returns what was found out about each server when the client connected.
func (c *Client) Servers() []Server { return c.servers }

// Ping returns nil where Redis answers a command. Its error says in one sentence what to look at.
func (c *Client) Ping(ctx context.Context) error {
	for _, node := range c.Nodes() {
		if err := node.Do(ctx, node.B().Ping().Build()).Error(); err != nil {
			return c.config.explain(err)
		}
	}
	return nil
}

// explain says in one sentence what a failure to reach Redis means, which setting is concerned and what to do.
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
