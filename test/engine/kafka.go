package engine

import (
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
)

// Kafka starts a fake of three brokers in the test's process and returns its addresses, separated by commas: the real protocol,
// and nothing on disk. It outlives the shops that a test kills, and ends with the test.
func Kafka(t testing.TB) string {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(3))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return strings.Join(c.ListenAddrs(), ",")
}
