package clock

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// Limits that distinguish a jump of the machine's clock from its normal running.
const (
	// stepMax is the largest change that Steady accepts without confirmation: a time server's correction, a leap second.
	stepMax = 2 * time.Second
	// confirmAfter is how long a new time must last before it is trusted. A clock that was set wrong is usually
	// corrected within seconds. A machine that slept has the right time, and waits that long.
	confirmAfter = time.Minute
	// agreeWithin is the largest difference from the witness's time that counts as agreement.
	agreeWithin = 5 * time.Second
)

// Steady is the machine's clock without its jumps. When the machine's clock is set, Steady continues by the monotonic
// clock. It follows the new time once that has lasted for a while and the witness, if any, agrees. So a clock that is
// wrong for a moment begins and ends nothing. It is safe for concurrent use.
type Steady struct {
	read    func() (wall time.Time, running time.Duration)
	confirm time.Duration
	// Witness is another machine's clock, such as the database server's; nil if there is none. It is set before Begin.
	Witness func(context.Context) (time.Time, error)
	// Tell receives each event in words for the log. by is how far the machine's clock is ahead of this one.
	Tell func(what string, by time.Duration)

	offset    atomic.Int64 // this clock's time at the start of the monotonic clock, in Unix nanoseconds
	confirmed atomic.Bool
	apart     atomic.Bool // from the machine's clock

	mu      sync.Mutex // held while the clocks are compared
	began   time.Duration
	suspect int64 // the offset to which the machine's clock has jumped, while apart
	since   time.Duration
	refused bool // Tell has reported that the witness disagrees
}

// NewSteady returns a clock that shows and trusts the machine's time: see Begin.
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

// Confirmed reports whether the time may end things. If the process started at a time far from the shop's last
// activity, it is false until the time has run steadily for a while.
func (s *Steady) Confirmed() bool { return s.confirmed.Load() }

// Disputed reports whether the machine's clock shows another time that Steady does not follow yet.
func (s *Steady) Disputed() bool { return s.apart.Load() }

// Begin compares the machine's time with the witness's, and shows the witness's if they differ. It also compares it
// with seen, the time of the shop's last activity, or zero if there was none. It returns the witness's errors.
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

// Step compares the clocks. It returns 1 if it follows a jump, and the witness's errors.
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

// withinStep reports whether there was no jump between two offsets.
func withinStep(a, b int64) bool { return time.Duration(a-b).Abs() <= stepMax }

// depart records that the machine's clock shows another time. The caller holds the lock.
func (s *Steady) depart(machines int64, running time.Duration, what string) {
	s.suspect, s.since = machines, running
	s.apart.Store(true)
	s.Tell(what, time.Duration(machines-s.offset.Load()))
}

// follow adopts the machine's time. The caller holds the lock.
func (s *Steady) follow(machines int64, what string) {
	s.Tell(what, time.Duration(machines-s.offset.Load()))
	s.offset.Store(machines)
	s.suspect, s.refused = 0, false
	s.apart.Store(false)
	s.confirmed.Store(true)
}

// contradicted keeps the current time, and confirms it if it agrees with the witness's. The caller holds the lock.
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

// machine reads the machine's two clocks at one moment. On Linux the monotonic clock stops while the machine sleeps.
func machine() (wall time.Time, running time.Duration) {
	at := time.Now()
	return at.Add(jumped()), at.Sub(started)
}
