package drill

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/text"
)

// progress tells how the drill is going: on a terminal in one line that changes, elsewhere in a line now and then. It is
// safe for concurrent use.
type progress struct {
	mu       sync.Mutex
	out      io.Writer
	terminal bool
	drawn    bool
}

// plainEvery is how often a line is printed where it stays.
const plainEvery = 2 * time.Second

// say prints a line that stays.
func (p *progress) say(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wipe()
	_, _ = fmt.Fprintf(text.Terminal(p.out), format+"\n", args...) // who does not read it misses it
}

// show prints a line that the next one replaces.
func (p *progress) show(line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wipe()
	if p.terminal {
		_, _ = fmt.Fprint(text.Terminal(p.out), line)
		p.drawn = true
		return
	}
	_, _ = fmt.Fprintln(text.Terminal(p.out), line)
}

func (p *progress) wipe() {
	if p.drawn {
		_, _ = fmt.Fprint(p.out, "\r\x1b[K")
		p.drawn = false
	}
}

// every is how often show should be called.
func (p *progress) every() time.Duration {
	if p.terminal {
		return tick
	}
	return plainEvery
}

// snapshot is the sum of several loops' counts at a moment.
type snapshot struct {
	at                                          time.Time
	answers, accepted, soldOut, limited, errors int64
	p99                                         float64
}

func snap(tallies []*recorder) snapshot {
	s := snapshot{at: time.Now()}
	for _, t := range tallies {
		c := &t.counts
		s.answers += c.answers.Load() + c.reads.Load()
		s.accepted += c.accepted.Load()
		s.soldOut += c.soldOut.Load()
		s.limited += c.limited.Load()
		s.errors += c.fives.Load() + c.lost.Load() + c.other.Load()
		s.p99 = max(s.p99, t.lastP99())
	}
	return s
}

// line tells a snapshot and its difference to the one before. left below zero is not known.
func (s snapshot) line(phase string, before snapshot, left int64) string {
	rate := float64(s.answers-before.answers) / max(s.at.Sub(before.at).Seconds(), 0.001)
	text := fmt.Sprintf("%-16s %8.0f /s", phase, rate)
	if s.accepted > 0 || s.soldOut > 0 {
		text += fmt.Sprintf("   accepted %d   sold out %d", s.accepted, s.soldOut)
	}
	if left >= 0 {
		text += fmt.Sprintf("   left %d", left)
	}
	return text + fmt.Sprintf("   p99 %.1f ms   errors %d", s.p99, s.errors)
}
