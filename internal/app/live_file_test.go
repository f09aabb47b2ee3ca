package app

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidegate/tidegate/internal/app/settings"
	"github.com/tidegate/tidegate/internal/await"
	"github.com/tidegate/tidegate/internal/kernel/auditlog"
	"github.com/tidegate/tidegate/internal/setting"
)

// fromFile is a process that was started with a configuration file.
type fromFile struct {
	*App
	t    *testing.T
	path string
	log  *logged
}

// write replaces the file in one step, as an orchestrator does.
func (f *fromFile) write(text string) {
	f.t.Helper()
	next := f.path + ".next"
	noError(f.t, os.WriteFile(next, []byte(text), 0o600))
	noError(f.t, os.Rename(next, f.path))
}

func (f *fromFile) unpaid() int64 { return int64(f.orders.Limits().UnpaidOrdersMax) }

func (f *fromFile) awaits(what string, want int64) {
	f.t.Helper()
	await.Until(f.t, what, func() bool { return f.unpaid() == want })
}

func (f *fromFile) awaitsLog(text string) {
	f.t.Helper()
	await.Until(f.t, "the log says: "+text, func() bool { return strings.Contains(f.log.String(), text) })
}

func (f *fromFile) changes() []setting.Listed {
	f.t.Helper()
	all, err := f.settings.Changes(f.t.Context(), 0, 100)
	noError(f.t, err)
	return all
}

func startedFromFile(t *testing.T, text string) *fromFile {
	t.Helper()
	f := &fromFile{t: t, path: filepath.Join(t.TempDir(), "shop.yaml"), log: &logged{}}
	f.write(text)
	c := testConfig(t)
	from, err := ReadSources(f.path, nil, map[string]string{
		"data": c.Data, "http.address": c.HTTP.Address, "ops.address": c.Ops.Address, "payments.provider": c.Payments.Provider,
	})
	noError(t, err)
	c, _, err = LoadConfig(from)
	noError(t, err)
	o := f.log.options(c)
	o.Sources = &from
	f.App, _ = opened(t, o, func(to *Config) { *to = c })
	return f
}

// The file is changed while the process runs: what is live is in force, in the history and in the audit log, and one command takes it back.
func TestAProcessFollowsItsFile(t *testing.T) {
	t.Parallel()
	f := startedFromFile(t, "orders:\n  unpaid_orders_max: 7\n")
	if got := f.unpaid(); got != 7 {
		t.Fatalf("it starts with %d", got)
	}
	f.write("orders:\n  unpaid_orders_max: 3\n")
	f.awaits("the file's change", 3)
	all := f.changes()
	const path = "orders.unpaid_orders_max"
	if len(all) != 1 || !strings.HasPrefix(all[0].Actor, "file shop.yaml, node ") || all[0].Set[path] != "3" || all[0].Before[path] != "7" || len(all[0].Layer) != 0 {
		t.Fatalf("the history: %+v", all)
	}
	entries, err := f.store.AuditLog(t.Context(), auditlog.Filter{Limit: 10})
	noError(t, err)
	if len(entries) != 1 || entries[0].Actor != all[0].Actor || entries[0].Verb != "changeSettings" || entries[0].Reason == "" {
		t.Errorf("the audit log: %+v", entries)
	}

	undone, err := f.settings.Undo(t.Context(), setting.Undo{Reason: "too few", Actor: "ann"})
	noError(t, err)
	if got := f.unpaid(); got != 7 || undone.Layer[path] != "7" {
		t.Errorf("after the undo it goes by %d, and the layer is %v", got, undone.Layer)
	}
	// The live layer lies over the file. What the file says comes out when it is taken away.
	f.write("orders:\n  unpaid_orders_max: 5\n")
	await.Until(t, "the file is read", func() bool {
		for _, s := range f.settings.Settings().Settings {
			if s.Path == path {
				return s.Below != nil && s.Below.Value == "5"
			}
		}
		return false
	})
	if got := f.unpaid(); got != 7 || len(f.changes()) != 2 {
		t.Errorf("under the live layer the file changed it to %d: %+v", got, f.changes())
	}
	setLive(t, f.App, nil, path)
	if got := f.unpaid(); got != 5 {
		t.Errorf("without the live layer it goes by %d", got)
	}
}

// A file that a process cannot go by changes nothing, and the log says why; the next right one is taken.
func TestAWrongFileChangesNothing(t *testing.T) {
	t.Parallel()
	f := startedFromFile(t, "orders:\n  unpaid_orders_max: 7\n  unpaid_units_max: 100\n")
	for _, c := range []struct{ name, text, told string }{
		{"a value that is not allowed", "orders:\n  unpaid_orders_max: -4\n  unpaid_units_max: 50\n", "orders.unpaid_orders_max (" + f.path + " line 2)"},
		{"a setting that is not there", "orders:\n  unpaid_orders: 4\n", "orders.unpaid_orders (" + f.path + " line 2)"},
		{"no YAML", "orders: [\n", "it is not YAML"},
	} {
		f.write(c.text)
		f.awaitsLog(c.told)
		if l := f.orders.Limits(); l.UnpaidOrdersMax != 7 || l.UnpaidUnitsMax != 100 {
			t.Errorf("%s changed the limits to %+v", c.name, l)
		}
	}
	f.write("")
	f.awaitsLog("the configuration file is empty")
	if l := f.orders.Limits(); l.UnpaidOrdersMax != 7 || l.UnpaidUnitsMax != 100 {
		t.Errorf("an empty file changed the limits to %+v", l)
	}
	noError(t, os.Remove(f.path))
	f.awaitsLog("the configuration file cannot be read")
	f.write("orders:\n  unpaid_orders_max: 4\nexpress:\n  address: 127.0.0.1:1\n")
	f.awaits("a right file after wrong ones", 4)
	f.awaitsLog("restart the process for them")
	if all := f.changes(); len(all) != 1 || len(all[0].Set) != 2 {
		t.Errorf("the history: %+v", all)
	}
	if got := valueOf(f.live.tree.Load().Settings(), "express.address"); got != "" {
		t.Errorf("the process says that it serves at %s, for which it must start again", got)
	}
}

func valueOf(all []settings.Setting, path string) string {
	for i := range all {
		if all[i].Path == path {
			return all[i].Text()
		}
	}
	return ""
}
