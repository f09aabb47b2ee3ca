package livesale

import (
	"testing"

	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/sale"
)

// TestTopicsAreBounded checks that old histories go, and that those of sales that are on, or watched, stay.
func TestTopicsAreBounded(t *testing.T) {
	n := &Page{topics: map[id.Sale]*topic{}}
	oldest := &sale.Sale{ID: 1}
	watched := n.join(2, false)
	for s := range id.Sale(3 * topicsMax) {
		n.join(10+s, false).leave()
	}
	n.recorded([]*sale.Sale{oldest})
	first := n.topics[1]
	kept := n.recorded([]*sale.Sale{oldest})
	if len(kept) != topicsMax+2 || n.topics[1] != first || n.topics[2] != watched {
		t.Errorf("%d topics are kept; the sale that is on: %t, the one that is watched: %t", len(kept), n.topics[1] == first, n.topics[2] == watched)
	}
	watched.leave()
	if kept = n.recorded(nil); len(kept) != topicsMax || n.topics[1] != nil || n.topics[2] != nil {
		t.Errorf("%d topics are kept when nothing is on", len(kept))
	}
}
