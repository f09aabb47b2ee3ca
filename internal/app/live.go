package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidegate/tidegate/internal/app/loop"
	"github.com/tidegate/tidegate/internal/app/settings"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/setting"
)

// settingsEvery is how often a process looks for changes of live settings: with the change itself well within a second.
const settingsEvery = 300 * time.Millisecond

// livePart has a component go by the live settings whose paths begin with prefix. A component takes them without a lock that an order
// waits for.
type livePart struct {
	prefix string
	apply  func(*App, *Config)
}

// liveParts says which component each live setting reaches.
var liveParts = []livePart{
	{"log.level", func(a *App, c *Config) {
		if a.live.level != nil {
			a.live.level.Set(c.Log.SlogLevel())
		}
	}},
	{"http.rate_limit.", func(a *App, c *Config) { a.requests.Set(c.HTTP.RateLimit) }},
	{"http.client_connections_max", func(a *App, c *Config) {
		a.connections.SetMax(c.HTTP.ClientConnectionsMax)
		a.streams.SetMax(c.HTTP.ClientConnectionsMax)
	}},
	{"orders.", func(a *App, c *Config) {
		a.intake.SetLimits(c.Orders)
		a.orders.SetLimits(c.Orders)
		if a.queue.intake != nil {
			a.queue.intake.SetLimits(c.Orders)
		}
	}},
}

// liveSettings implements setting.Process: the layers that this process was started with, the live one over them, and the components that
// go by both. Safe for concurrent use.
type liveSettings struct {
	app   *App
	level *slog.LevelVar // nil: the log's level stays
	base  Config         // what the sources lie over
	from  settings.Sources

	mu     sync.Mutex // held by who applies
	text   []byte     // of the file, as it is applied
	wanted setting.Change
	file   looked // used by followFile alone
	// applied is wanted, or one before it where this process cannot go by that.
	applied setting.Change
	tree    atomic.Pointer[settings.Tree]
}

// newLiveSettings returns the settings as they are without the live layer.
func newLiveSettings(a *App, o Options) (*liveSettings, error) {
	l := &liveSettings{app: a, level: o.LogLevel, base: a.config}
	if o.Sources != nil {
		l.base, l.from = DefaultConfig(), *o.Sources
	}
	l.text = l.from.Text
	_, tree, err := l.load(l.text, setting.Change{})
	if err != nil {
		return nil, err
	}
	l.tree.Store(tree)
	return l, nil
}

// load lays the file's text and the layer of a change over what this process was started with.
func (l *liveSettings) load(text []byte, c setting.Change) (Config, *settings.Tree, error) {
	from := l.from
	from.Text, from.Live, from.LiveFrom = text, c.Layer, "live change"
	if c.Number > 0 {
		from.LiveFrom = fmt.Sprintf("live change %d", c.Number)
	}
	return settings.Load(l.base, from)
}

// openSettings reads the newest change of live settings, for the parts that are opened after it. Where this process cannot go by it, it
// starts as it would without.
func (a *App) openSettings(ctx context.Context) error {
	newest, err := a.store.NewestSettingChange(ctx)
	if err != nil {
		return err
	}
	l := a.live
	l.wanted = newest
	if newest.Number > 0 {
		c, tree, err := l.load(l.text, newest)
		switch {
		case err != nil:
			l.tellRefused(ctx, newest, err)
		default:
			if err := settings.CopyLive(&a.config, c); err != nil {
				return err
			}
			l.applied = newest
			l.tree.Store(tree)
			if l.level != nil {
				l.level.Set(a.config.Log.SlogLevel())
			}
		}
	}
	a.settings = setting.NewService(a.store, l, a.clock, newest.Number)
	return nil
}

func (a *App) settingLoops() []loop.Loop {
	loops := []loop.Loop{{Name: "settings", Every: settingsEvery, RetryMax: settingsEvery, Step: a.settings.Step}}
	if a.live.from.File != "" {
		loops = append(loops, loop.Loop{Name: "settings file", Every: settingsEvery, RetryMax: settingsEvery, Step: a.live.followFile})
	}
	return loops
}

// Check implements setting.Process.
func (l *liveSettings) Check(layer map[string]string) (map[string]string, error) {
	l.mu.Lock()
	text := l.text
	l.mu.Unlock()
	_, tree, err := l.load(text, setting.Change{Layer: layer})
	if err != nil {
		return nil, asFault(err)
	}
	words := make(map[string]string, len(layer))
	for _, s := range tree.Settings() {
		if _, in := layer[s.Path]; in {
			words[s.Path] = s.Text()
		}
	}
	return words, nil
}

// asFault returns problems of the settings as one fault.Invalid, each with its path.
func asFault(err error) error {
	problems, is := errors.AsType[settings.Problems](err)
	if !is {
		return err
	}
	all := make([]*fault.Error, len(problems))
	for i, p := range problems {
		all[i] = fault.Bad(p.Path, "%s", p.Detail)
	}
	return fault.All(all)
}

// Live implements setting.Process.
func (l *liveSettings) Live(path string) error {
	if why := l.tree.Load().NotLive(path); why != "" {
		return fault.Bad(path, "%s", why)
	}
	return nil
}

// Apply implements setting.Process.
func (l *liveSettings) Apply(ctx context.Context, c setting.Change) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wanted = c
	if _, err := l.apply(ctx, l.text, c, "by", c.Actor, "reason", c.Reason); err != nil {
		l.tellRefused(ctx, c, err)
	}
}

func (l *liveSettings) tellRefused(ctx context.Context, c setting.Change, err error) {
	l.app.log.ErrorContext(ctx, "this process cannot go by a change of live settings and goes on as before: undo the change, unset the setting, or mend this process's file or version",
		"change", c.Number, "by", c.Actor, "problems", err.Error())
}

// apply has every component go by the file's text and the layer of a change, all or none, and returns what that changed. The caller holds
// l.mu. It returns settings.Problems where they cannot be.
func (l *liveSettings) apply(ctx context.Context, text []byte, c setting.Change, who ...any) ([]settings.Difference, error) {
	read, tree, err := l.load(text, c)
	if err != nil {
		return nil, err
	}
	before := l.tree.Load()
	after := before.WithLive(tree)
	changed := settings.Differences(before, after)
	config := l.app.config
	if err := settings.CopyLive(&config, read); err != nil {
		return nil, err
	}
	say := func() {
		if len(changed) > 0 {
			l.app.log.InfoContext(ctx, "settings changed", append([]any{"change", c.Number, "settings", inWords(changed)}, who...)...)
		}
	}
	early := l.app.log.Enabled(ctx, slog.LevelInfo) // else the change may be the one that has the log say it
	if early {
		say()
	}
	for _, p := range liveParts {
		if anyBelow(changed, p.prefix) {
			p.apply(l.app, &config)
		}
	}
	l.text, l.applied = text, c
	l.tree.Store(after)
	if !early {
		say()
	}
	return changed, nil
}

func anyBelow(changed []settings.Difference, prefix string) bool {
	for _, d := range changed {
		if strings.HasPrefix(d.Path, prefix) {
			return true
		}
	}
	return false
}

// inWords says what changed: each setting, what it was and what it is.
func inWords(changed []settings.Difference) string {
	words := make([]string, len(changed))
	for i, d := range changed {
		words[i] = d.Path + " " + d.Before + " -> " + d.After
	}
	return strings.Join(words, ", ")
}

// State implements setting.Process.
func (l *liveSettings) State() setting.State {
	l.mu.Lock()
	applied, tree := l.applied.Number, l.tree.Load()
	l.mu.Unlock()
	all := tree.Settings()
	state := setting.State{Change: applied, Settings: make([]setting.Setting, len(all))}
	for i := range all {
		s := &all[i]
		one := setting.Setting{Path: s.Path, Value: s.Text(), Origin: s.Origin, Where: s.Where, Live: s.Live, Env: s.Env, Help: s.Help}
		if s.Below != nil {
			one.Below = &setting.Below{Value: s.Below.Text(), Origin: s.Below.Origin, Where: s.Below.Where}
		}
		state.Settings[i] = one
	}
	return state
}
