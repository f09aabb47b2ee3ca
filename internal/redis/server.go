package redis

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/rueidis"
)

// versionLeast is the oldest Redis that has everything the shop uses: GETEX, SET with GET, and the commands' RESP3 forms.
const versionLeast = "6.2"

// evictionPolicy is the one under which Redis drops none of the gate's keys by itself.
const evictionPolicy = "noeviction"

// Server is what a server of Redis says of itself.
type Server struct {
	Address string
	Version string
	// Mode is standalone, cluster or sentinel; Role master or slave.
	Mode, Role string
	// ReplicationID changes with every promotion, and with every start of a server without its data.
	ReplicationID string
	// EvictionPolicy is its maxmemory-policy, MemoryBytesMax its maxmemory: 0 is no bound.
	EvictionPolicy string
	MemoryBytesMax int64
	// AppendOnly says that it keeps an append-only file, Saves when it writes a dump: empty for never, or where it does not say.
	AppendOnly bool
	Saves      string
	// Replicas are those connected, ReplicasLeast those without which it refuses writes.
	Replicas      int
	ReplicasLeast string
}

// inspect asks every server what it is, and returns why the shop cannot rely on one.
func (c *Client) inspect(ctx context.Context) ([]Server, error) {
	nodes := c.Nodes()
	var all []Server
	for _, address := range slices.Sorted(maps.Keys(nodes)) {
		s, err := askServer(ctx, nodes[address], address)
		if err != nil {
			return nil, c.config.explain(err)
		}
		if err := c.config.accepts(s); err != nil {
			return nil, err
		}
		if err := c.checkClock(ctx, nodes[address], address); err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

// askServer returns what a server says of itself now. It returns the errors of rueidis.
func askServer(ctx context.Context, node rueidis.Client, address string) (Server, error) {
	text, err := node.Do(ctx, node.B().Info().Build()).ToString()
	if err != nil {
		return Server{}, err
	}
	s := readInfo(text)
	s.Address = address
	// A hosted Redis may forbid CONFIG; what it would have said is only reported.
	if said, err := node.Do(ctx, node.B().ConfigGet().Parameter("save", "min-replicas-to-write").Build()).AsStrMap(); err == nil {
		s.Saves, s.ReplicasLeast = said["save"], said["min-replicas-to-write"]
	}
	return s, nil
}

// readInfo reads the answer of INFO.
func readInfo(text string) Server {
	said := map[string]string{}
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimRight(line, "\r\n"), ":"); ok {
			said[name] = value
		}
	}
	s := Server{
		Version: said["redis_version"], Mode: said["redis_mode"], Role: said["role"], ReplicationID: said["master_replid"],
		EvictionPolicy: said["maxmemory_policy"], AppendOnly: said["aof_enabled"] == "1",
	}
	// What is not a number counts as none: these are reported, not relied on.
	s.MemoryBytesMax, _ = strconv.ParseInt(said["maxmemory"], 10, 64)
	s.Replicas, _ = strconv.Atoi(said["connected_slaves"])
	return s
}

// accepts returns why the shop cannot rely on the server, in one sentence.
func (c Config) accepts(s Server) error {
	switch {
	case s.Mode == "sentinel":
		return fmt.Errorf("%s (redis.addresses) is a Sentinel: name its master set in redis.sentinel_master, or a Redis itself", s.Address)
	case s.Mode == "cluster" && !c.Cluster:
		return fmt.Errorf("the Redis at %s (redis.addresses) is a node of a Cluster: set redis.cluster", s.Address)
	case s.Mode != "cluster" && c.Cluster:
		return fmt.Errorf("the Redis at %s (redis.addresses) is no node of a Cluster: leave redis.cluster out, or name a node", s.Address)
	case !atLeast(s.Version, versionLeast):
		return fmt.Errorf("the Redis at %s (redis.addresses) has version %s and the shop needs %s: upgrade it", s.Address, s.Version, versionLeast)
	case s.Role != "master" && !c.Cluster:
		return fmt.Errorf("the Redis at %s (redis.addresses) is a replica, which takes no writes: name its master", s.Address)
	case s.EvictionPolicy != evictionPolicy:
		return fmt.Errorf("the Redis at %s (redis.addresses) may drop keys by itself: set its maxmemory-policy to %s, which is %s", s.Address, evictionPolicy, s.EvictionPolicy)
	}
	return nil
}

// atLeast compares versions by their first two numbers.
func atLeast(version, least string) bool {
	return slices.Compare(majorMinor(version), majorMinor(least)) >= 0
}

func majorMinor(version string) []int {
	parts := strings.SplitN(version, ".", 3)
	numbers := make([]int, 2)
	for i := range min(len(parts), len(numbers)) {
		numbers[i], _ = strconv.Atoi(parts[i]) // what is no number is older than everything
	}
	return numbers
}

// checkClock compares the machine's clock with the server's. The time that the answer took is in the doubt's favour.
func (c *Client) checkClock(ctx context.Context, node rueidis.Client, address string) error {
	before := time.Now()
	parts, err := node.Do(ctx, node.B().Time().Build()).AsIntSlice()
	after := time.Now()
	if err != nil || len(parts) != 2 {
		return c.config.explain(fmt.Errorf("TIME: %w", err))
	}
	theirs := time.Unix(parts[0], parts[1]*int64(time.Microsecond))
	apart := max(before.Sub(theirs), theirs.Sub(after))
	if apart > c.config.ClockApartMax {
		return fmt.Errorf("this machine's clock and that of the Redis at %s (redis.addresses) are %s apart, and redis.clock_apart_max is %s: set them by NTP",
			address, apart.Round(time.Millisecond), c.config.ClockApartMax)
	}
	return nil
}
