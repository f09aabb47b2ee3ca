package redis

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/rueidis"
)

// versionLeast is the oldest supported Redis. It has GETEX, SET with GET, and the RESP3 forms that the shop uses.
const versionLeast = "6.2"

// evictionPolicy is the policy under which Redis never evicts keys of the gate.
const evictionPolicy = "noeviction"

// Server is a Redis server's description of itself.
type Server struct {
	Address string
	Version string
	// Mode is standalone, cluster or sentinel; Role is master or slave.
	Mode, Role string
	// ReplicationID changes at every promotion and at every start without data.
	ReplicationID string
	// EvictionPolicy is maxmemory-policy. MemoryBytesMax is maxmemory: 0 means unlimited.
	EvictionPolicy string
	MemoryBytesMax int64
	// AppendOnly says that it keeps an append-only file. Saves says when it writes a dump; empty means never or
	// unknown.
	AppendOnly bool
	Saves      string
	// Replicas counts the connected replicas. With fewer than ReplicasLeast the server refuses writes.
	Replicas      int
	ReplicasLeast string
}

// inspect reads the properties of every server. It returns an error if the shop cannot use one.
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

// askServer reads the properties of one server. It returns the errors of rueidis.
func askServer(ctx context.Context, node rueidis.Client, address string) (Server, error) {
	text, err := node.Do(ctx, node.B().Info().Build()).ToString()
	if err != nil {
		return Server{}, err
	}
	s := readInfo(text)
	s.Address = address
	// A hosted Redis may forbid CONFIG. These values are only reported, so their absence is no error.
	if said, err := node.Do(ctx, node.B().ConfigGet().Parameter("save", "min-replicas-to-write").Build()).AsStrMap(); err == nil {
		s.Saves, s.ReplicasLeast = said["save"], said["min-replicas-to-write"]
	}
	return s, nil
}

// readInfo parses an INFO reply. Valkey calls the mode server_mode.
func readInfo(text string) Server {
	said := map[string]string{}
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimRight(line, "\r\n"), ":"); ok {
			said[name] = value
		}
	}
	s := Server{
		Version: said["redis_version"], Mode: cmp.Or(said["redis_mode"], said["server_mode"]), Role: said["role"], ReplicationID: said["master_replid"],
		EvictionPolicy: said["maxmemory_policy"], AppendOnly: said["aof_enabled"] == "1",
	}
	// A value that is not a number becomes zero: these values are only reported.
	s.MemoryBytesMax, _ = strconv.ParseInt(said["maxmemory"], 10, 64)
	s.Replicas, _ = strconv.Atoi(said["connected_slaves"])
	return s
}

// accepts returns an error of one sentence if the shop cannot use the server.
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
		numbers[i], _ = strconv.Atoi(parts[i]) // an unreadable part counts as zero, older than any version
	}
	return numbers
}

// checkClock compares this machine's clock with the server's. It does not count the reply time as a difference.
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
