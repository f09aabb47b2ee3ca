package eventbus

import (
	"testing"
	"time"
)

func TestCrowd(t *testing.T) {
	var c crowd
	now := time.Now()
	for i, step := range []struct {
		asked int64
		after time.Duration
		want  bool
	}{
		{0, time.Second, false},
		{49, crowdLook, false},
		{50, crowdLook, true},
		{0, crowdLook / 2, true}, // looked at too early: as it was
		{0, crowdLook / 2, false},
		{1999, 2 * time.Second, false}, // whoever looks seldom sees the mean
		{2000, 2 * time.Second, true},
	} {
		now = now.Add(step.after)
		c.asked.Add(step.asked)
		if got := c.isHere(now); got != step.want {
			t.Errorf("step %d: %t", i, got)
		}
	}
}
