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

// EveryEngines are the embedded default, and the two addresses with which a shop outgrows one process.
func EveryEngines() []Engines {
	return []Engines{
		{"embedded", func(testing.TB) []string { return nil }},
		{"MySQL and Redis", SharedEngines},
	}
}

// SharedEngines returns the settings of a shop on a database and a Redis of the test's own. Its processes sign with one key.
func SharedEngines(t testing.TB) []string {
	t.Helper()
	return []string{
		"TIDEGATE_STORE_PRIMARY=" + engine.MySQL(t),
		"TIDEGATE_REDIS_ADDRESSES=" + engine.Redis(t).Address,
		"TIDEGATE_GATE_HOLD=5s", // twice that is what a killed process keeps from being sold
		"TIDEGATE_ACCOUNT_SIGNING_KEY_FILE=" + filepath.Join(t.TempDir(), "signing.key"),
	}
}

// EachEngines runs a test on all of them.
func EachEngines(t *testing.T, run func(t *testing.T, env []string)) {
	t.Helper()
	for _, e := range EveryEngines() {
		t.Run(strings.ReplaceAll(e.Name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			run(t, e.Env(t))
		})
	}
}
