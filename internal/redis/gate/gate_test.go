package gate_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/inventory/gatetest"
	"github.com/tidegate/tidegate/internal/redis"
	"github.com/tidegate/tidegate/internal/redis/gate"
	"github.com/tidegate/tidegate/internal/redis/gate/gatefixture"
	"github.com/tidegate/tidegate/test/engine"
)

func TestGate(t *testing.T) {
	engine.EachRedis(t, func(t *testing.T, at engine.RedisPlace) {
		client := gatefixture.Connect(t, redis.Config{Addresses: at.Addresses, Cluster: at.Cluster, SentinelMaster: at.SentinelMaster})
		gatetest.Gate(t, func(t *testing.T) inventory.Gate { return open(t, client, at.Cluster) })
	})
}

// open returns a gate with keys of its own.
func open(t testing.TB, client *redis.Client, cluster bool) *gate.Gate {
	return gatefixture.Open(t, client, &gatefixture.FakeStore{}, fmt.Sprintf("test%x", rand.Uint64()), cluster)
}
