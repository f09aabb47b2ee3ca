package storetest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/auditlog"
	"github.com/tidegate/tidegate/internal/kernel/clock"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/setting"
	"github.com/tidegate/tidegate/internal/store"
)

// Settings checks the contract of setting.Store together with setting.Service.
func Settings(t *testing.T, open func(t *testing.T) *store.Store) {
	for _, c := range []struct {
		name  string
		check func(*testing.T, *store.Store)
	}{
		{"changes are kept", settingsKept},
		{"a number is given once, with its entry of the audit log", settingNumberOnce},
		{"set, unset and undo", settingsUndone},
		{"bad edits", settingsRefused},
		{"many change at once", settingsRaced},
		{"another process follows", settingsFollowed},
		{"what changed in a file", settingsOfFile},
	} {
		t.Run(c.name, func(t *testing.T) { c.check(t, open(t)) })
	}
}

func settingsKept(t *testing.T, s *store.Store) {
	ctx := t.Context()
	n, err := s.NewestSettingNumber(ctx)
	must(t, err)
	none, err := s.NewestSettingChange(ctx)
	must(t, err)
	if n != 0 || none.Number != 0 {
		t.Errorf("an empty table has the newest change %d, %+v", n, none)
	}
	at := time.Date(2026, 11, 27, 20, 0, 0, 123e6, time.UTC)
	want := []setting.Change{
		{Number: 2, Layer: map[string]string{}, Undoes: 1, Actor: "bob", Reason: "Später: 浪", At: at.Add(time.Second)},
		{Number: 1, Layer: map[string]string{"a.b": "1", "c": `"}'\`}, Stands: 1, Actor: "ann", Key: 7, Reason: strings.Repeat("ä", auditlog.ReasonRunesMax), At: at,
			File: map[string]setting.FileText{"d": {Before: `"}'\\`, After: "浪"}}},
	}
	for _, c := range []setting.Change{want[1], want[0]} {
		added, err := s.AddSettingChange(ctx, c)
		must(t, err)
		if !added {
			t.Errorf("change %d was not added", c.Number)
		}
	}
	got, err := s.SettingChanges(ctx, 0, 10)
	must(t, err)
	same(t, "the list", got, want)
	got, err = s.SettingChanges(ctx, 2, 1)
	must(t, err)
	same(t, "the second page", got, want[1:])
	newest, err := s.NewestSettingChange(ctx)
	must(t, err)
	same(t, "the newest", newest, want[0])
	one, err := s.SettingChange(ctx, 1)
	must(t, err)
	same(t, "one by its number", one, want[1])
	zero, err := s.SettingChange(ctx, 0)
	must(t, err)
	same(t, "what was before the first", zero, setting.Change{})
	if _, err := s.SettingChange(ctx, 3); !errors.Is(err, fault.NotFound) {
		t.Errorf("one that is not there: %v", err)
	}
	if n, err := s.NewestSettingNumber(ctx); n != 2 || err != nil {
		t.Errorf("the newest number: %d, %v", n, err)
	}
}

// asDeed returns a context with an entry of the audit log.
func asDeed(ctx context.Context, n id.AuditEntry) context.Context {
	return auditlog.WithEntry(ctx, auditlog.Entry{ID: n, At: time.Unix(1, 0), Actor: "ann", Verb: "changeSettings"})
}

func settingNumberOnce(t *testing.T, s *store.Store) {
	ctx := t.Context()
	for n, want := range []bool{true, false} {
		added, err := s.AddSettingChange(asDeed(ctx, id.AuditEntry(n+1)), setting.Change{Number: 1, Layer: map[string]string{"a": fmt.Sprint(n)}, Stands: 1})
		must(t, err)
		if added != want {
			t.Errorf("try %d: added %t", n, added)
		}
	}
	first, err := s.SettingChange(ctx, 1)
	must(t, err)
	if first.Layer["a"] != "0" {
		t.Errorf("the first one's layer is %v", first.Layer)
	}
	log, err := s.AuditLog(ctx, auditlog.Filter{Limit: 10})
	must(t, err)
	if len(log) != 1 || log[0].ID != 1 {
		t.Errorf("the audit log: %+v", log)
	}
}

// process is a setting.Process that accepts the paths a, b and c with numbers only.
type process struct {
	mu      sync.Mutex
	applied []setting.Change
}

// Check implements setting.Process.
func (p *process) Check(layer map[string]string) (map[string]string, error) {
	for path, text := range layer {
		if err := p.Live(path); err != nil {
			return nil, err
		}
		if strings.Trim(text, "0123456789") != "" {
			return nil, fault.Bad(path, "a number, not %q", text)
		}
	}
	return maps.Clone(layer), nil
}

// Live implements setting.Process.
func (p *process) Live(path string) error {
	if path != "a" && path != "b" && path != "c" {
		return fault.Bad(path, "there is no such setting")
	}
	return nil
}

// Apply implements setting.Process.
func (p *process) Apply(_ context.Context, c setting.Change) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.applied = append(p.applied, c)
}

// State implements setting.Process.
func (p *process) State() setting.State { return setting.State{} }

func (p *process) newest() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.applied) == 0 {
		return 0
	}
	return p.applied[len(p.applied)-1].Number
}

func newSettings(s setting.Store) (*setting.Service, *process) {
	p := &process{}
	return setting.NewService(s, p, clock.System{}, 0), p
}

func settingsUndone(t *testing.T, s *store.Store) {
	ctx := t.Context()
	service, p := newSettings(s)
	set := func(want int64, e setting.Edit) {
		t.Helper()
		e.Reason, e.Actor, e.Key = "test", "ann", 7
		c, err := service.Set(ctx, e)
		must(t, err)
		if c.Number != want || p.newest() != want || c.Actor != "ann" || c.Key != 7 || c.Reason != "test" || c.At.IsZero() {
			t.Errorf("change %+v, applied %d, want %d", c, p.newest(), want)
		}
	}
	undo := func(wantUndone int64, wantLayer map[string]string) {
		t.Helper()
		c, err := service.Undo(ctx, setting.Undo{Reason: "back", Actor: "bob"})
		must(t, err)
		same(t, "the layer after the undo", c.Layer, wantLayer)
		if c.Undoes != wantUndone || p.newest() != c.Number {
			t.Errorf("undone %d, want %d", c.Undoes, wantUndone)
		}
	}
	if _, err := service.Undo(ctx, setting.Undo{Reason: "r"}); !errors.Is(err, fault.Conflict) {
		t.Errorf("an undo of nothing: %v", err)
	}
	set(1, setting.Edit{Set: map[string]string{"a": "1", "b": "1"}})
	set(2, setting.Edit{Set: map[string]string{"a": "2"}, Unset: []string{"b"}})
	set(2, setting.Edit{Set: map[string]string{"a": "2"}, Unset: []string{"b", "c"}}) // repeated
	set(3, setting.Edit{Set: map[string]string{"c": "3"}})
	undo(3, map[string]string{"a": "2"})
	undo(2, map[string]string{"a": "1", "b": "1"})
	set(6, setting.Edit{Set: map[string]string{"c": "6"}})
	if _, err := service.Undo(ctx, setting.Undo{Number: 3, Reason: "r"}); !errors.Is(err, fault.Conflict) {
		t.Errorf("an undo of another change than the newest that stands: %v", err)
	}
	undo(6, map[string]string{"a": "1", "b": "1"})
	undo(1, map[string]string{})
	if _, err := service.Undo(ctx, setting.Undo{Reason: "r"}); !errors.Is(err, fault.Conflict) {
		t.Errorf("an undo after the last: %v", err)
	}

	all, err := service.Changes(ctx, 0, 100)
	must(t, err)
	if len(all) != 8 || all[0].Number != 8 || all[7].Number != 1 {
		t.Fatalf("%d changes: %+v", len(all), all)
	}
	same(t, "what change 2 did", all[6].Delta, setting.Delta{Set: map[string]string{"a": "2"}, Unset: []string{"b"}, Before: map[string]string{"a": "1", "b": "1"}})
	same(t, "what the last undo did", all[0].Delta, setting.Delta{Set: map[string]string{}, Unset: []string{"a", "b"}, Before: map[string]string{"a": "1", "b": "1"}})
	page, err := service.Changes(ctx, 3, 1)
	must(t, err)
	if len(page) != 1 || page[0].Number != 2 {
		t.Fatalf("the page after 3: %+v", page)
	}
	same(t, "the last of a page", page[0].Delta, all[6].Delta)
	described, err := service.Describe(ctx, all[6].Change)
	must(t, err)
	same(t, "one change", described, all[6])
}

func settingsRefused(t *testing.T, s *store.Store) {
	service, _ := newSettings(s)
	many := map[string]string{}
	for i := range setting.PathsMax + 1 {
		many[fmt.Sprint(i)] = "1"
	}
	for _, c := range []struct {
		name, field string
		edit        setting.Edit
	}{
		{"without a reason", "reason", setting.Edit{Set: map[string]string{"a": "1"}}},
		{"with a reason of two lines", "reason", setting.Edit{Set: map[string]string{"a": "1"}, Reason: "a\nb"}},
		{"of nothing", "set", setting.Edit{Reason: "r"}},
		{"of too much", "set", setting.Edit{Set: many, Reason: "r"}},
		{"that sets and unsets", "a", setting.Edit{Set: map[string]string{"a": "1"}, Unset: []string{"a"}, Reason: "r"}},
		{"with a long text", "a", setting.Edit{Set: map[string]string{"a": strings.Repeat("1", setting.TextRunesMax+1)}, Reason: "r"}},
		{"with a bad text", "a", setting.Edit{Set: map[string]string{"a": "x", "b": "1"}, Reason: "r"}},
		{"of what is not there", "d", setting.Edit{Set: map[string]string{"d": "1"}, Reason: "r"}},
		{"that unsets what is not there", "d", setting.Edit{Unset: []string{"d"}, Reason: "r"}},
	} {
		_, err := service.Set(t.Context(), c.edit)
		f, is := errors.AsType[*fault.Error](err)
		if !is || f.Code != fault.Invalid || f.Field != c.field {
			t.Errorf("an edit %s: %v", c.name, err)
		}
	}
	if n, err := s.NewestSettingNumber(t.Context()); n != 0 || err != nil {
		t.Errorf("something was changed: %d, %v", n, err)
	}
	// A setting of another version can be removed by a version that does not know it.
	if _, err := s.AddSettingChange(t.Context(), setting.Change{Number: 1, Layer: map[string]string{"later": "1", "a": "1"}, Stands: 1}); err != nil {
		t.Fatal(err)
	}
	if _, err := service.Set(t.Context(), setting.Edit{Set: map[string]string{"a": "2"}, Reason: "r"}); !errors.Is(err, fault.Invalid) {
		t.Errorf("a change beside what cannot be: %v", err)
	}
	c, err := service.Set(t.Context(), setting.Edit{Unset: []string{"later"}, Reason: "r"})
	must(t, err)
	same(t, "what is left", c.Layer, map[string]string{"a": "1"})
}

func settingsRaced(t *testing.T, s *store.Store) {
	var wg sync.WaitGroup
	for _, path := range []string{"a", "b", "c"} {
		service, _ := newSettings(s) // one process each
		wg.Go(func() {
			for n := range 3 {
				_, err := service.Set(t.Context(), setting.Edit{Set: map[string]string{path: fmt.Sprint(n)}, Reason: "r"})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	newest, err := s.NewestSettingChange(t.Context())
	must(t, err)
	same(t, "nothing was lost", newest.Layer, map[string]string{"a": "2", "b": "2", "c": "2"})
	if newest.Number != 9 {
		t.Errorf("the newest of 9 changes is %d", newest.Number)
	}
}

func settingsFollowed(t *testing.T, s *store.Store) {
	one, _ := newSettings(s)
	other, p := newSettings(s)
	step := func(want int) {
		t.Helper()
		if did, err := other.Step(t.Context()); did != want || err != nil {
			t.Errorf("did %d, %v, want %d", did, err, want)
		}
	}
	step(0)
	for n := range 2 {
		_, err := one.Set(t.Context(), setting.Edit{Set: map[string]string{"a": fmt.Sprint(n)}, Reason: "r"})
		must(t, err)
	}
	step(1)
	step(0)
	if len(p.applied) != 1 || p.applied[0].Number != 2 {
		t.Errorf("applied: %+v", p.applied)
	}
}

func settingsOfFile(t *testing.T, s *store.Store) {
	ctx := t.Context()
	service, _ := newSettings(s)
	other, _ := newSettings(s)
	changed := func(by *setting.Service, want bool, file map[string]setting.FileText) {
		t.Helper()
		added, err := by.FileChanged(ctx, "file shop.yaml", "changed", file)
		must(t, err)
		if added != want {
			t.Errorf("%v: added %t", file, added)
		}
	}
	undo := func(want map[string]string) {
		t.Helper()
		c, err := service.Undo(ctx, setting.Undo{Reason: "back", Actor: "bob"})
		must(t, err)
		same(t, "the layer after the undo", c.Layer, want)
	}
	_, err := service.Set(ctx, setting.Edit{Set: map[string]string{"a": "1"}, Reason: "r"})
	must(t, err)
	changed(service, false, map[string]setting.FileText{"a": {Before: "5", After: "6"}}) // the live layer lies over it
	file := map[string]setting.FileText{"a": {Before: "6", After: "7"}, "b": {Before: "2", After: "3"}}
	changed(service, true, file)
	changed(other, false, file) // its copy of the file
	all, err := service.Changes(ctx, 0, 10)
	must(t, err)
	if len(all) != 2 {
		t.Fatalf("%d changes", len(all))
	}
	same(t, "what the file changed", all[0].Delta, setting.Delta{Set: map[string]string{"b": "3"}, Before: map[string]string{"b": "2"}})
	same(t, "the layer after it", all[0].Layer, map[string]string{"a": "1"})

	undo(map[string]string{"a": "1", "b": "2"})
	changed(other, false, file) // a copy that comes late does not do it again
	undo(map[string]string{"b": "2"})
	_, err = service.Undo(ctx, setting.Undo{Reason: "r"})
	if !errors.Is(err, fault.Conflict) {
		t.Errorf("an undo after the last: %v", err)
	}
	_, err = service.Set(ctx, setting.Edit{Unset: []string{"b"}, Reason: "r"})
	must(t, err)
	changed(other, true, map[string]setting.FileText{"b": {Before: "3", After: "2"}})
	changed(other, true, map[string]setting.FileText{"b": {Before: "2", After: "3"}})
	undo(map[string]string{"b": "2"})
}
