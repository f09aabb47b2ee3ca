package statemachine

import (
	"flag"
	"strconv"
	"testing"

	"pgregory.net/rapid"

	"github.com/tidegate/tidegate/test/share"
)

// runsInCI is how often `go test` runs each machine.
const runsInCI = 100

// check runs a machine: as often, and by the seed, as a long run says.
func check(t *testing.T, machine func(*rapid.T)) {
	t.Helper()
	if share.Long() {
		for name, value := range map[string]uint64{"rapid.checks": uint64(share.Count(t, runsInCI)), "rapid.seed": share.Seed(t, 0)} {
			if err := flag.Set(name, strconv.FormatUint(value, 10)); err != nil {
				t.Fatal(err)
			}
		}
	}
	rapid.Check(t, machine)
	share.Progress("runs of "+t.Name(), share.Count(t, runsInCI))
}
