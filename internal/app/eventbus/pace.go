package eventbus

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidegate/tidegate/internal/app/loop"
)

// While orders wait for their commit, or a crowd is told that nothing is left, a consumer works one part in ordersShare of the time,
// and rests restMax at most: there are several, and all of them together cost the shoppers a few hundredths of a small machine,
// and still come on.
const (
	ordersShare = 25
	restMax     = 2 * time.Second
)

// Pace has consumers yield to orders. Safe for concurrent use.
type Pace struct {
	waiting func() int
	crowd   crowd
}

// NewPace returns the pace of consumers beside the orders that wait for their commit.
func NewPace(waiting func() int) *Pace { return &Pace{waiting: waiting} }

// Asked counts a request for an order, whatever it is answered.
func (p *Pace) Asked() { p.crowd.asked.Add(1) }

// Rest returns how long a consumer pauses after a batch.
func (p *Pace) Rest(took time.Duration) time.Duration {
	if p.waiting() == 0 && !p.crowd.isHere(time.Now()) {
		return 0
	}
	return min(took*(ordersShare-1), restMax)
}

// YieldToOrders has a loop rest after each step while orders wait for their commit, as the consumers themselves do: what it writes would
// otherwise have every second turn of the writer.
func (p *Pace) YieldToOrders(l loop.Loop) loop.Loop {
	step := l.Step
	l.Step = func(ctx context.Context) (int, error) {
		began := time.Now()
		did, err := step(ctx)
		if did > 0 && err == nil {
			if pause := p.Rest(time.Since(began)); pause > 0 {
				loop.Rest(ctx, pause, nil)
			}
		}
		return did, err
	}
	return l
}

// crowd tells whether many ask for orders, whatever they are answered. Safe for concurrent use.
type crowd struct {
	asked atomic.Int64

	mu     sync.Mutex
	looked time.Time
	before int64 // asked, when it was looked
	here   bool
}

// A crowd is crowdPerSecond requests for an order, over crowdLook at least: a hundredth of what one small machine answers.
const (
	crowdPerSecond = 1000
	crowdLook      = 50 * time.Millisecond
)

// isHere reports whether a crowd has asked since it was last looked, at most crowdLook ago or whenever that was.
func (c *crowd) isHere(now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if took := now.Sub(c.looked); took >= crowdLook {
		asked := c.asked.Load()
		c.here = float64(asked-c.before) >= crowdPerSecond*took.Seconds()
		c.before, c.looked = asked, now
	}
	return c.here
}
