package storefront

import (
	"testing"

	"github.com/tidegate/tidegate/internal/sale"
	"github.com/tidegate/tidegate/internal/web/lang"
	"github.com/tidegate/tidegate/internal/web/live"
)

// TestWhatIsLeft: what is not known to be left is neither a number nor sold out, however the sale shows it.
func TestWhatIsLeft(t *testing.T) {
	langs, err := lang.Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		left  int64
		shows sale.Shows
		word  string
		sold  bool
	}{
		{live.Unknown, sale.Exact, "left.unknown", false}, {live.Unknown, sale.Coarse, "left.unknown", false},
		{0, sale.Exact, "left.none", true}, {0, sale.Coarse, "left.none", true}, {1, sale.Coarse, "left.last", false},
	} {
		m := &live.Moment{Sale: &sale.Sale{ShowsLeft: c.shows, Items: []sale.Item{{Allocation: 100}}}, Phase: sale.Live, Left: []int64{c.left}}
		for _, l := range langs.All {
			if got := leftOf(l, m, 0); got.Text != l.T(c.word) || got.Sold != c.sold {
				t.Errorf("%d left, %s: %+v, want %q, sold out %t", c.left, c.shows, got, l.T(c.word), c.sold)
			}
			ended := *m
			ended.Phase = sale.Ended
			if got := leftOf(l, &ended, 0); got != (shownLeft{}) {
				t.Errorf("an ended sale with %d in its pool says %+v", c.left, got)
			}
		}
	}
}
