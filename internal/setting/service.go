package setting

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/auditlog"
	"github.com/tidegate/tidegate/internal/kernel/clock"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/text"
)

const (
	// PathsMax bounds the settings of one change; there are fewer that are live.
	PathsMax = 100
	// TextRunesMax bounds the text of one setting: no live setting is longer than a line.
	TextRunesMax = 1000
	// keyRunesMax bounds the key of a setting.
	keyRunesMax = 100
	// triesMax bounds how often a change is decided anew because others changed something meanwhile.
	triesMax = 10
)

// Service changes the live settings, and has its process follow them. Safe for concurrent use.
type Service struct {
	store   Store
	process Process
	clock   clock.Clock

	mu   sync.Mutex // held by who looks, and applies
	seen int64      // the newest change that the process was given
}

// NewService returns a Service whose process was given the change of a number at its start; zero: none.
func NewService(s Store, p Process, c clock.Clock, given int64) *Service {
	return &Service{store: s, process: p, clock: c, seen: given}
}

// Settings returns the settings that this process goes by.
func (s *Service) Settings() State { return s.process.State() }

// Set changes live settings, as a whole, in this process at once and in others within a second. An edit that changes nothing returns the
// newest change. It returns fault.Invalid with everything that is wrong, and fault.Conflict where others changed settings all the time.
func (s *Service) Set(ctx context.Context, e Edit) (Change, error) {
	var err error
	if e.Reason, err = auditlog.RequiredReason("reason", e.Reason); err != nil {
		return Change{}, err
	}
	if err := e.check(); err != nil {
		return Change{}, err
	}
	return s.change(auditlog.About(ctx, e.subject()), func(newest Change) (Change, error) {
		for _, path := range e.Unset {
			if _, there := newest.Layer[path]; there {
				continue // also one that this version does not know
			}
			if err := s.process.Live(path); err != nil {
				return Change{}, err
			}
		}
		layer, err := s.process.Check(e.merge(newest.Layer))
		if err != nil {
			return Change{}, err
		}
		if maps.Equal(layer, newest.Layer) {
			return newest, nil
		}
		number := newest.Number + 1
		return Change{Number: number, Layer: layer, Stands: number, Actor: e.Actor, Key: e.Key, Reason: e.Reason}, nil
	})
}

// subject is what the audit log says of an edit.
func (e Edit) subject() string {
	if n := len(e.Set) + len(e.Unset); n > 1 {
		return fmt.Sprintf("%d settings", n)
	}
	for path := range e.Set {
		return path
	}
	return e.Unset[0]
}

// check returns what is wrong with an edit, whatever the settings are.
func (e Edit) check() error {
	if len(e.Set)+len(e.Unset) == 0 {
		return fault.Bad("set", "Say what to change: set, with the value of each setting, or unset, with their keys.")
	}
	if len(e.Set)+len(e.Unset) > PathsMax {
		return fault.Bad("set", "At most %d settings are changed at once.", PathsMax)
	}
	for i, path := range e.Unset {
		if _, err := text.Clean(fmt.Sprintf("unset[%d]", i), path, text.Line, 1, keyRunesMax); err != nil {
			return err
		}
	}
	for _, path := range slices.Sorted(maps.Keys(e.Set)) {
		if _, err := text.Clean("set", path, text.Line, 1, keyRunesMax); err != nil {
			return err
		}
		if slices.Contains(e.Unset, path) {
			return fault.Bad(path, "It is both set and unset.")
		}
		if _, err := text.Clean(path, e.Set[path], text.Line, 0, TextRunesMax); err != nil {
			return err
		}
	}
	return nil
}

// Undo takes back the newest change that stands; asked again, the one before it. It returns fault.Conflict where no change stands, or
// another one than was meant, and fault.Invalid where what was before is not allowed any more.
func (s *Service) Undo(ctx context.Context, u Undo) (Change, error) {
	var err error
	if u.Reason, err = auditlog.RequiredReason("reason", u.Reason); err != nil {
		return Change{}, err
	}
	return s.change(auditlog.About(ctx, "settings"), func(newest Change) (Change, error) {
		undone := newest.Stands
		switch {
		case undone == 0:
			return Change{}, fault.New(fault.Conflict, "There is no change to undo: every setting is as the file, the environment, flags and defaults say.")
		case u.Number != 0 && u.Number != undone:
			return Change{}, fault.New(fault.Conflict, "The newest change that stands is %d, not %d; the history shows what was changed since.", undone, u.Number)
		}
		before, err := s.store.SettingChange(ctx, undone-1)
		if err != nil {
			return Change{}, err
		}
		done, err := s.store.SettingChange(ctx, undone)
		if err != nil {
			return Change{}, err
		}
		layer, err := s.process.Check(done.delta(before.Layer).takeBack(newest.Layer))
		if err != nil {
			return Change{}, err
		}
		return Change{Number: newest.Number + 1, Layer: layer, Undoes: undone, Stands: before.Stands, Actor: u.Actor, Key: u.Key, Reason: u.Reason}, nil
	})
}

// fileChangesLooked bounds how far back a change of a file is looked for in the history.
const fileChangesLooked = 100

// FileChanged adds what changed in this process's configuration file, which the process has found to be right. The processes of a shop may
// share a file, or have copies that change one after the other: what the newest change of a file already says is not added again, and
// what the live layer says anyway is left out. It reports whether something was added.
func (s *Service) FileChanged(ctx context.Context, actor, reason string, file map[string]FileText) (added bool, err error) {
	_, err = s.change(ctx, func(newest Change) (Change, error) {
		added = false
		seen := maps.Clone(file)
		maps.DeleteFunc(seen, func(path string, _ FileText) bool { _, over := newest.Layer[path]; return over })
		if len(seen) == 0 {
			return newest, nil
		}
		recent, err := s.store.SettingChanges(ctx, 0, fileChangesLooked)
		if err != nil {
			return Change{}, err
		}
		for i := range recent {
			if len(recent[i].File) > 0 {
				if maps.Equal(recent[i].File, seen) {
					return newest, nil
				}
				break
			}
		}
		added = true
		number := newest.Number + 1
		return Change{Number: number, Layer: Edit{}.merge(newest.Layer), Stands: number, Actor: actor, Reason: reason, File: seen}, nil
	})
	return added && err == nil, err
}

// change adds the change that next makes of the newest one, and applies it here. Where others were faster it is made anew.
func (s *Service) change(ctx context.Context, next func(newest Change) (Change, error)) (Change, error) {
	for range triesMax {
		newest, err := s.store.NewestSettingChange(ctx)
		if err != nil {
			return Change{}, err
		}
		c, err := next(newest)
		if err != nil || c.Number == newest.Number {
			return c, err
		}
		c.At = s.clock.Now().Truncate(time.Millisecond)
		added, err := s.store.AddSettingChange(ctx, c)
		if err != nil {
			return Change{}, err
		}
		if added {
			// It is done; what cannot be read now the loop reads in a moment.
			_, _ = s.Step(context.WithoutCancel(ctx))
			return c, nil
		}
	}
	return Change{}, fault.New(fault.Conflict, "Others change settings all the time; try again.")
}

// Step has the process go by the newest change, once. It returns 1 where there was one.
func (s *Service) Step(ctx context.Context) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	number, err := s.store.NewestSettingNumber(ctx)
	if err != nil || number == s.seen {
		return 0, err
	}
	newest, err := s.store.NewestSettingChange(ctx)
	if err != nil {
		return 0, err
	}
	s.seen = newest.Number
	s.process.Apply(ctx, newest)
	return 1, nil
}

// Listed is a change with what it did.
type Listed struct {
	Change
	Delta
}

// Changes lists changes from the newest on, only those before a number unless that is zero.
func (s *Service) Changes(ctx context.Context, before int64, limit int) ([]Listed, error) {
	found, err := s.store.SettingChanges(ctx, before, limit+1)
	if err != nil {
		return nil, err
	}
	all := make([]Listed, 0, limit)
	for i, c := range found {
		if i == limit {
			break
		}
		var was map[string]string
		if i+1 < len(found) {
			was = found[i+1].Layer
		}
		all = append(all, Listed{c, c.delta(was)})
	}
	return all, nil
}

// Describe returns a change with what it did.
func (s *Service) Describe(ctx context.Context, c Change) (Listed, error) {
	if c.Number == 0 {
		return Listed{Change: c}, nil
	}
	before, err := s.store.SettingChange(ctx, c.Number-1)
	if err != nil {
		return Listed{}, err
	}
	return Listed{c, c.delta(before.Layer)}, nil
}
