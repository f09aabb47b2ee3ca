package blackbox

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidegate/tidegate/test/engine"
)

// Engines is what a shop keeps its things in. The same tests run on each.
type Engines struct {
	Name string
	// Env returns the settings of a shop of the test's own; processes with the same settings are one shop.
	Env func(t testing.TB) []string
}

// EveryEngines are the embedded default, and the addresses with which a shop outgrows one process.
func EveryEngines() []Engines {
	return append([]Engines{{"embedded", func(testing.TB) []string { return nil }}}, SharedEngines()...)
}

// SharedEngines are those over which several processes are one shop: each database, with a Redis.
func SharedEngines() (all []Engines) {
	for _, d := range engine.Databases {
		all = append(all, Engines{d.Name + " and Redis", func(t testing.TB) []string { return SharedBy(t, d.Make(t), engine.Redis(t)) }})
	}
	return all
}

// SharedBy returns the settings of a shop on a database and a Redis. Its processes sign with one key.
func SharedBy(t testing.TB, primary string, r *engine.RedisServer) []string {
	t.Helper()
	return []string{
		"TIDEGATE_STORE_PRIMARY=" + primary,
		"TIDEGATE_REDIS_ADDRESSES=" + r.Address,
		"TIDEGATE_GATE_HOLD=5s", // twice that is what a killed process keeps from being sold
		"TIDEGATE_ACCOUNT_SIGNING_KEY_FILE=" + filepath.Join(t.TempDir(), "signing.key"),
	}
}

// EachEngines runs a test on all of them.
func EachEngines(t *testing.T, run func(t *testing.T, env []string)) {
	t.Helper()
	eachOf(t, EveryEngines(), run)
}

// EachSharedEngines runs a test of several processes on all that can be shared.
func EachSharedEngines(t *testing.T, run func(t *testing.T, env []string)) {
	t.Helper()
	eachOf(t, SharedEngines(), run)
}

// EachDatabase runs a test on each kind of database that can be shared, with names that tell them apart.
func EachDatabase(t *testing.T, run func(t *testing.T, d engine.Database)) {
	t.Helper()
	for _, d := range engine.Databases {
		t.Run(d.Name, func(t *testing.T) {
			t.Parallel()
			run(t, d)
		})
	}
}

func eachOf(t *testing.T, all []Engines, run func(t *testing.T, env []string)) {
	t.Helper()
	for _, e := range all {
		t.Run(strings.ReplaceAll(e.Name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			run(t, e.Env(t))
		})
	}
}
