package setting

import "context"

// Store keeps the changes. Safe for concurrent use.
type Store interface {
	// NewestSettingNumber returns the number of the newest change; zero: there is none. It is one read of the primary key.
	NewestSettingNumber(ctx context.Context) (int64, error)
	// NewestSettingChange returns the newest change; the zero Change where there is none.
	NewestSettingChange(ctx context.Context) (Change, error)
	// SettingChange returns a change; the zero Change of number zero. It returns fault.NotFound.
	SettingChange(ctx context.Context, number int64) (Change, error)
	// SettingChanges lists changes from the newest on, only those before a number unless that is zero.
	SettingChanges(ctx context.Context, before int64, limit int) ([]Change, error)
	// AddSettingChange adds a change, with the context's entry of the audit log. It reports false, and adds nothing, where there is one
	// of that number already.
	AddSettingChange(ctx context.Context, c Change) (added bool, err error)
}

// Process is the settings of this process. Safe for concurrent use.
type Process interface {
	// Check returns the layer in the words that settings are written in, validated with all that this process was started with. It
	// returns a fault.Invalid with everything that is wrong, each with its path.
	Check(layer map[string]string) (map[string]string, error)
	// Live returns a fault.Invalid of a path that is no live setting.
	Live(path string) error
	// Apply has the whole process go by a change, and says so in the log. Where it cannot, it says why, and the process goes on as before.
	Apply(ctx context.Context, c Change)
	// State returns the settings that the process goes by.
	State() State
}

// State is the settings that a process goes by.
type State struct {
	// Change is the number of the change that is applied; zero: none.
	Change   int64
	Settings []Setting
}

// Setting is one setting of a process.
type Setting struct {
	// Path is its key, Value its text; "***" where it is a secret that is set.
	Path, Value string
	// Origin is default, file, env, flag or live; Where says where in that origin; empty for a default.
	Origin, Where string
	// Live says that it can change while the shop runs.
	Live bool
	// Env is its environment variable, Help what it does.
	Env, Help string
	// Below is what it would be without the live layer; nil where that says nothing of it.
	Below *Below
}

// Below is what the layers below the live one say of a setting.
type Below struct{ Value, Origin, Where string }
