package clock

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// How a jump of the machine's clock is told from its running.
const (
	// stepMax is the largest change that Steady accepts without confirmation: a time server's correction, a leap second.
	stepMax = 2 * time.Second
	// confirmAfter is how long a new time has to stay before it is believed. A clock that was set wrong is mostly set right
	// within seconds; a machine that slept has the right time, and waits that long.
	confirmAfter = time.Minute
	// agreeWithin is how near the witness's time has to be.
	agreeWithin = 5 * time.Second
)

// Steady is the machine's clock without its jumps. It counts on by the monotonic clock when the machine's is set, and follows the
// new time when that has stayed for a while and the witness, where there is one, does not contradict it. So what a clock that
// is wrong for a moment would end or begin is not ended and not begun. It is safe for concurrent use.
type Steady struct {
	read    func() (wall time.Time, running time.Duration)
	confirm time.Duration
	// Witness is another machine's clock, such as the database server's; nil if there is none. It is set before Begin.
	Witness func(context.Context) (time.Time, error)
	// Tell receives what happened, in words for the log; by is how far the machine's clock is ahead of this one.
	Tell func(what string, by time.Duration)

	offset    atomic.Int64 // this clock at the beginning of the monotonic one, in Unix nanoseconds
	confirmed atomic.Bool
	apart     atomic.Bool // from the machine's clock

	mu      sync.Mutex // held while the clocks are compared
	began   time.Duration
	suspect int64 // the offset that the machine's clock has jumped to, while they are apart
	since   time.Duration
	refused bool // it was told that the witness contradicts
}

// NewSteady returns a clock that shows the machine's time, which is believed: see Begin.
func NewSteady() *Steady { return newSteady(machine, confirmFor()) }

func newSteady(read func() (time.Time, time.Duration), confirm time.Duration) *Steady {
	s := &Steady{read: read, confirm: confirm, Tell: func(string, time.Duration) {}}
	s.offset.Store(offsetOf(read()))
	s.confirmed.Store(true)
	return s
}

func offsetOf(wall time.Time, running time.Duration) int64 { return wall.UnixNano() - int64(running) }

// Now implements Clock.
func (s *Steady) Now() time.Time {
	_, running := s.read()
	return time.Unix(0, s.offset.Load()+int64(running)).UTC()
}

// Confirmed reports whether the time may end things. A process that has begun at a time far from when the shop was seen last says
// no until it has stayed for a while.
func (s *Steady) Confirmed() bool { return s.confirmed.Load() }

// Disputed reports whether the machine's clock shows another time, which is not followed yet.
func (s *Steady) Disputed() bool { return s.apart.Load() }

// Begin compares the machine's time with the witness's, and shows the witness's where they are apart; and with when the shop was seen
// last, zero where it never was. It returns what the witness does.
func (s *Steady) Begin(ctx context.Context, seen time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	wall, running := s.read()
	machines := offsetOf(wall, running)
	s.offset.Store(machines)
	s.began = running
	now := wall
	if s.Witness != nil {
		at, err := s.Witness(ctx)
		if err != nil {
			return err
		}
		if apart := wall.Sub(at); apart.Abs() > agreeWithin {
			now = at
			s.offset.Store(machines - int64(apart))
			s.refused = true
			s.depart(machines, running, "the machine's clock is not the database's: the time is the database's until they agree")
		}
	}
	if !seen.IsZero() && now.Sub(seen).Abs() > s.confirm {
		s.confirmed.Store(false)
		s.Tell("the shop was last seen at another time: nothing ends by the clock before it has run steadily for a while", now.Sub(seen))
	}
	return nil
}

// Step compares the clocks, and returns 1 where it follows a jump. It returns what the witness does.
func (s *Steady) Step(ctx context.Context) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	wall, running := s.read()
	machines := offsetOf(wall, running)
	apart := s.apart.Load()
	switch {
	case withinStep(machines, s.offset.Load()):
		if apart {
			s.follow(machines, "the machine's clock has come back")
		}
		s.offset.Store(machines)
		if running-s.began >= s.confirm {
			s.confirmed.Store(true)
		}
		return 0, nil
	case !apart || !withinStep(machines, s.suspect):
		s.refused = false
		s.depart(machines, running, "the machine's clock has jumped: the time goes on as before until the new one has stayed for a while")
		return 0, nil
	case running-s.since < s.confirm:
		return 0, nil
	case s.Witness != nil:
		at, err := s.Witness(ctx)
		if err != nil {
			return 0, err
		}
		if wall.Sub(at).Abs() > agreeWithin {
			s.contradicted(at, running)
			return 0, nil
		}
	}
	s.follow(machines, "the machine's clock is followed")
	return 1, nil
}

// withinStep reports two offsets between which there was no jump.
func withinStep(a, b int64) bool { return time.Duration(a-b).Abs() <= stepMax }

// depart notes that the machine's clock shows another time. The caller holds the lock.
func (s *Steady) depart(machines int64, running time.Duration, what string) {
	s.suspect, s.since = machines, running
	s.apart.Store(true)
	s.Tell(what, time.Duration(machines-s.offset.Load()))
}

// follow takes the machine's time. The caller holds the lock.
func (s *Steady) follow(machines int64, what string) {
	s.Tell(what, time.Duration(machines-s.offset.Load()))
	s.offset.Store(machines)
	s.suspect, s.refused = 0, false
	s.apart.Store(false)
	s.confirmed.Store(true)
}

// contradicted keeps the time, which may end things where it is the witness's. The caller holds the lock.
func (s *Steady) contradicted(at time.Time, running time.Duration) {
	witness := offsetOf(at, running)
	if !s.refused {
		s.Tell("the machine's clock is not the database's, and is not followed: set it right", time.Duration(s.suspect-witness))
	}
	s.refused = true
	if time.Duration(witness-s.offset.Load()).Abs() <= agreeWithin {
		s.confirmed.Store(true)
	}
}

var started = time.Now()

// machine reads the machine's two clocks at one moment. The monotonic one stands while a Linux machine sleeps.
func machine() (wall time.Time, running time.Duration) {
	at := time.Now()
	return at.Add(jumped()), at.Sub(started)
}
