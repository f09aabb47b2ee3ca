package drill

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tidegate/tidegate/internal/drill/load"
)

// ceiling is the bare server, under the same generator and connections as the shop. A machine that is shared with others is not as
// fast now as it was a few seconds ago, so it is measured in slices, one before every measurement and one after, and each
// measurement is a share of the two slices around it.
type ceiling struct {
	d      *drill
	r      *Result
	bare   *Process
	target *load.Target

	slices []Phase
	since  []int // the phases of the result that wait for the slice after them
}

// sliceParts is how many slices take as long as one measurement.
const sliceParts = 3

func (d *drill) newCeiling(ctx context.Context, r *Result) (*ceiling, error) {
	bare, err := d.StartBare(ctx)
	if err != nil {
		return nil, fmt.Errorf("start the bare server: %w", err)
	}
	target, err := load.NewTarget(bare.Public)
	if err != nil {
		return nil, errors.Join(err, bare.Kill())
	}
	return &ceiling{d: d, r: r, bare: bare, target: target}, nil
}

func (c *ceiling) close() error { return c.bare.Kill() }

// beside measures a slice and then what measure does, whose phases wait for the next slice. Where measure adds no phase, the
// slice has been for nothing.
func (c *ceiling) beside(ctx context.Context, measure func() error) error {
	if err := c.slice(ctx); err != nil || ctx.Err() != nil {
		return err
	}
	first := len(c.r.Phases)
	err := measure()
	for i := first; i < len(c.r.Phases); i++ {
		c.r.Phases[i].CeilingPerSecond = c.slices[len(c.slices)-1].PerSecond // should the night end here
		c.since = append(c.since, i)
	}
	return err
}

// slice measures the ceiling once more, and tells the phases before it what they are a share of. Directly after another slice it
// does nothing.
func (c *ceiling) slice(ctx context.Context) error {
	if len(c.slices) > 0 && len(c.since) == 0 {
		return nil
	}
	p, err := c.d.repeatRequests(ctx, c.target, "ceiling", postRequests(c.target.Host()), 201, c.d.Measure/sliceParts)
	if err != nil {
		return err
	}
	for _, i := range c.since {
		c.r.Phases[i].CeilingPerSecond = ceilingOf(c.slices[len(c.slices)-1], p)
	}
	c.slices, c.since = append(c.slices, p), nil
	c.r.Phases = append(c.r.Phases, p)
	c.r.CeilingPerSecond = number(ceilingOf(c.slices...))
	return nil
}

// ceilingOf is the rate of several slices together.
func ceilingOf(slices ...Phase) float64 {
	var answers int64
	var seconds float64
	for _, p := range slices {
		answers, seconds = answers+p.Answers, seconds+p.Seconds
	}
	if seconds == 0 {
		return 0
	}
	return float64(answers) / seconds
}

// A shop is at rest when it uses less than restShare of a core, looked at every restLook. It is waited for, and no longer than
// restMax: consumers of events work off what a rush has left behind, and would take that from the ceiling.
const (
	restLook  = 200 * time.Millisecond
	restShare = 0.15
	restMax   = 8 * time.Second
)

// cooldown waits until the shop is at rest. Where it does not tell its processor time, nothing is waited for.
func (d *drill) cooldown(ctx context.Context) {
	began, before := time.Now(), d.client.usage(ctx, d.pid())
	for before.CPU > 0 && time.Since(began) < restMax && ctx.Err() == nil {
		looked := time.Now()
		select {
		case <-ctx.Done():
		case <-time.After(restLook):
		}
		now := d.client.usage(ctx, d.pid())
		if (now.CPU - before.CPU).Seconds() < restShare*time.Since(looked).Seconds() {
			return
		}
		before = now
	}
}
