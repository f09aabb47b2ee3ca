//go:build crashpoints

package crashpoint

import (
	"fmt"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/fault"
)

// order is the parsed variable.
type order struct {
	point  Point
	action string
	nth    int64
	passes atomic.Int64
}

// armed is read once, before main, so that no code runs unarmed.
var armed = mustRead(os.Getenv(Variable))

func mustRead(text string) *order {
	o, err := read(text)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	return o
}

// read parses the variable; nil if it is empty.
func read(text string) (*order, error) {
	if text == "" {
		return nil, nil
	}
	o := &order{}
	if _, err := fmt.Sscanf(text, "%s %s %d", &o.point, &o.action, &o.nth); err != nil || o.nth < 1 {
		return nil, fmt.Errorf("%s=%q: it must be a point, die, hang or fail, and on which pass, such as %q", Variable, text, OrdersCommitAfter+" die 3")
	}
	points := Points()
	if o.action == "fail" {
		points = MayFail()
	}
	if !slices.Contains(points, o.point) || !slices.Contains([]string{"die", "hang", "fail"}, o.action) {
		return nil, fmt.Errorf("%s=%q: there is no such point, or it cannot do that", Variable, text)
	}
	return o, nil
}

// Pass passes a point where nothing can fail: the process may die or hang there.
func Pass(p Point) { _ = armed.pass(p) }

// Fail passes a point. It returns an error if the point is armed to fail.
func Fail(p Point) error { return armed.pass(p) }

func (o *order) pass(p Point) error {
	if o == nil || o.point != p || o.passes.Add(1) != o.nth {
		return nil
	}
	fmt.Fprintf(os.Stderr, "crashpoint: %s at %s, pass %d\n", o.action, p, o.nth)
	switch o.action {
	case "die":
		die()
	case "hang":
		select {}
	}
	return fault.New(fault.StoreUnavailable, "Told to fail at %s; try again.", p).After(time.Second)
}
