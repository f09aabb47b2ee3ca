package matrix

import (
	"time"

	"github.com/tidegate/tidegate/internal/await"
	"github.com/tidegate/tidegate/test/engine"
	"github.com/tidegate/tidegate/test/share"
)

// configuration is a set of engines under the shop.
type configuration struct {
	name string
	// inCI is how many moments `go test` tries: two seconds each, and more where a gate or a broker outside the process waits
	// for a dead one.
	inCI int
	// lanes is how many shops share the moments of a long run: more where most of the time is such a wait.
	lanes int
	// engines starts what the shop needs, and returns the settings that choose it.
	engines func(s *stage) []string
	// patience is how long a key may be answered 503 after a death, or while a gate outside the process is rebuilt.
	patience time.Duration
	// without are beginnings of the points that the engines do not pass.
	without []string
}

// configurations are those that the matrix runs against. Another engine joins by a line.
var configurations = []configuration{
	{"sqlite", 5, 1, embedded, 0, []string{"queue.", "bus.relay", "store.stamp", "shared."}},
	{"mysql", 3, 2, onMySQL, await.Max, []string{"queue.", "bus.relay", "store.checkpoint", "shared."}},
	{"mysql and redis", 3, 2, onMySQLAndRedis, await.Max, []string{"queue.", "bus.relay", "store.checkpoint", "gate.rebuild"}},
	{"postgresql", 2, 2, onPostgreSQL, await.Max, []string{"queue.", "bus.relay", "store.checkpoint", "shared."}},
	{"postgresql and redis", 2, 2, onPostgreSQLAndRedis, await.Max, []string{"queue.", "bus.relay", "store.checkpoint", "gate.rebuild"}},
	{"queue over nats", 2, 3, queued(embedded, func(s *stage) string { return "nats://" + engine.NATS(s).Address }), await.Max,
		[]string{"order.append", "store.stamp", "shared."}},
	{"queue over rabbitmq", 2, 2, queued(embedded, func(s *stage) string { return "amqp://guest:guest@" + engine.RabbitMQ(s).Address }), await.Max,
		[]string{"order.append", "store.stamp", "shared."}},
	{"queue over rabbitmq, mysql and redis", 0, 2, queued(onMySQLAndRedis, func(s *stage) string { return "amqp://guest:guest@" + engine.RabbitMQ(s).Address }), await.Max,
		[]string{"order.append", "store.checkpoint", "gate.rebuild"}},
	{"queue over nats, postgresql and redis", 0, 2, queued(onPostgreSQLAndRedis, func(s *stage) string { return "nats://" + engine.NATS(s).Address }), await.Max,
		[]string{"order.append", "store.checkpoint", "gate.rebuild"}},
	{"queue over kafka", 2, 3, queued(embedded, func(s *stage) string { return "kafka://" + engine.Kafka(s) }), await.Max,
		[]string{"order.append", "store.stamp", "shared."}},
}

func embedded(*stage) []string { return nil }

func onMySQL(s *stage) []string { return onServer(s, engine.Databases[0]) }

func onPostgreSQL(s *stage) []string { return onServer(s, engine.Databases[1]) }

// onServer takes the server of this machine; in a long run one of its own, whose connections nobody else needs.
func onServer(s *stage, of engine.Database) []string {
	address := ""
	if share.Long() {
		address = of.Serve(s).Database(s, "shop")
	} else {
		address = of.Make(s)
	}
	return []string{"TIDEGATE_STORE_PRIMARY=" + address, "TIDEGATE_STORE_ALLOW_UNSAFE=true"}
}

func onMySQLAndRedis(s *stage) []string { return withRedis(s, onMySQL(s)) }

func onPostgreSQLAndRedis(s *stage) []string { return withRedis(s, onPostgreSQL(s)) }

func withRedis(s *stage, env []string) []string {
	s.redis = engine.Redis(s)
	return append(env, "TIDEGATE_REDIS_ADDRESSES="+s.redis.Address, "TIDEGATE_GATE_HOLD=5s")
}

// queued has orders go through a broker, and events too.
func queued(below func(*stage) []string, broker func(*stage) string) func(*stage) []string {
	return func(s *stage) []string {
		return append(below(s), "TIDEGATE_BUS_ADDRESS="+broker(s), "TIDEGATE_ORDERS_INTAKE=queue")
	}
}
