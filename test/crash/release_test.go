package crash

import (
	"bytes"
	"os"
	"testing"

	"github.com/tidegate/tidegate/internal/kernel/crashpoint"
	"github.com/tidegate/tidegate/test/blackbox"
)

// TestAReleaseCannotBeToldToCrash: the binary as it is built for release has neither the name of a point in it nor the
// variable that arms one, nor a function of the package that holds them.
func TestAReleaseCannotBeToldToCrash(t *testing.T) {
	t.Parallel()
	binary, err := os.ReadFile(blackbox.Binary())
	if err != nil {
		t.Fatal(err)
	}
	words := []string{crashpoint.Variable, "kernel/crashpoint.die", "kernel/crashpoint.(*", "told to fail"}
	for _, p := range crashpoint.Points() {
		words = append(words, string(p))
	}
	for _, word := range words {
		if bytes.Contains(binary, []byte(word)) {
			t.Errorf("%q is in the release binary", word)
		}
	}
}
