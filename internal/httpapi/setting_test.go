package httpapi_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/httpapi"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/setting"
)

// fixedSettings is a process with two live settings, numbers, and a secret.
type fixedSettings struct{ applied setting.Change }

// Check implements setting.Process.
func (p *fixedSettings) Check(layer map[string]string) (map[string]string, error) {
	var wrong []*fault.Error
	for _, path := range []string{"one", "other"} {
		if text := layer[path]; strings.Trim(text, "0123456789") != "" {
			wrong = append(wrong, fault.Bad(path, "%q is not a whole number", text))
		}
	}
	if len(wrong) > 0 {
		return nil, fault.All(wrong)
	}
	return layer, nil
}

// Live implements setting.Process.
func (p *fixedSettings) Live(path string) error {
	if path != "one" && path != "other" {
		return fault.Bad(path, "there is no such setting")
	}
	return nil
}

// Apply implements setting.Process.
func (p *fixedSettings) Apply(_ context.Context, c setting.Change) { p.applied = c }

// State implements setting.Process.
func (p *fixedSettings) State() setting.State {
	return setting.State{Change: p.applied.Number, Settings: []setting.Setting{
		{Path: "one", Value: "5", Origin: "live", Where: "live change 1", Live: true, Env: "TIDEGATE_ONE", Help: "the one", Below: &setting.Below{Value: "1", Origin: "file", Where: "f line 1"}},
		{Path: "key", Value: "***", Origin: "env", Where: "environment TIDEGATE_KEY", Env: "TIDEGATE_KEY", Help: "the key"},
	}}
}

func TestSettingRoutes(t *testing.T) {
	s := newShop(t)
	p := &fixedSettings{}
	s.parts.Settings = setting.NewService(s.Store, p, s.Clock, 0)
	s.server = must(httpapi.New(s.parts))(t)
	type change struct {
		Number, Undoes int64
		Set, Before    map[string]string
		Unset          []string
		Actor, Reason  string
		At             time.Time `json:"created_at"`
	}
	const settings, undo = "PATCH /v1/admin/settings", "POST /v1/admin/settings/undo"
	var c change
	s.do(t, call{as: "all", do: settings, body: `{"set":{"one":"5","other":"6"},"reason":"bots"}`}).is(200, 0, "").in(&c)
	if c.Number != 1 || c.Set["one"] != "5" || c.Set["other"] != "6" || len(c.Before) != 0 || c.Reason != "bots" || c.Actor != "the all desk" || !c.At.Equal(s.Clock.Now()) || p.applied.Number != 1 {
		t.Errorf("%+v, applied %+v", c, p.applied)
	}
	s.do(t, call{as: "all", do: settings, body: `{"set":{"one":"7"},"unset":["other"],"reason":"more bots"}`}).is(200, 0, "").in(&c)
	s.do(t, call{as: "all", do: settings, body: `{"set":{"one":"7"},"reason":"the reply was lost"}`}).is(200, 0, "").in(&c)
	if c.Number != 2 || c.Reason != "more bots" || c.Before["one"] != "5" || c.Before["other"] != "6" || len(c.Unset) != 1 {
		t.Errorf("%+v", c)
	}

	var problem struct {
		Field  string
		Errors []struct{ Field, Detail string }
	}
	s.do(t, call{as: "all", do: settings, body: `{"set":{"one":"x","other":"y"},"reason":"r"}`}).is(422, fault.Invalid, "one").in(&problem)
	if len(problem.Errors) != 2 || problem.Errors[0].Field != "one" || problem.Errors[1].Field != "other" || problem.Errors[1].Detail != `"y" is not a whole number` {
		t.Errorf("%+v", problem)
	}
	for _, bad := range []struct {
		do, body, field string
		status          int
		code            fault.Code
	}{
		{settings, `{"set":{"one":"1"}}`, "reason", 422, fault.Invalid},
		{settings, `{"reason":"r"}`, "set", 422, fault.Invalid},
		{settings, `{"unset":["uno"],"reason":"r"}`, "uno", 422, fault.Invalid},
		{settings, `{"set":{"one":5},"reason":"r"}`, "set.one", 400, fault.BadRequest},
		{undo, `{}`, "reason", 422, fault.Invalid},
		{undo, `{"number":-1,"reason":"r"}`, "number", 422, fault.Invalid},
		{undo, `{"number":1,"reason":"r"}`, "", 409, fault.Conflict},
	} {
		s.do(t, call{as: "all", do: bad.do, body: bad.body}).is(bad.status, bad.code, bad.field)
	}

	s.do(t, call{as: "all", do: undo, body: `{"number":2,"reason":"they left"}`}).is(200, 0, "").in(&c)
	if c.Number != 3 || c.Undoes != 2 || p.applied.Layer["one"] != "5" || p.applied.Layer["other"] != "6" {
		t.Errorf("%+v, applied %+v", c, p.applied)
	}
	var list struct {
		Items []change
		Next  string `json:"next_cursor"`
	}
	s.do(t, call{as: "all", do: "GET /v1/admin/settings/changes?limit=2"}).is(200, 0, "").in(&list)
	if len(list.Items) != 2 || list.Items[0].Number != 3 || list.Items[1].Number != 2 || list.Next == "" {
		t.Fatalf("%+v", list)
	}
	s.do(t, call{as: "all", do: "GET /v1/admin/settings/changes?limit=2&cursor=" + list.Next}).is(200, 0, "").in(&list)
	if len(list.Items) != 1 || list.Items[0].Number != 1 || list.Items[0].Set["one"] != "5" {
		t.Fatalf("%+v", list)
	}
	var state struct {
		Change int64
		Items  []struct {
			Path, Value, Origin, Source string
			Live                        bool
			Below                       *struct{ Value, Origin, Source string }
		}
	}
	s.do(t, call{as: "all", do: "GET /v1/admin/settings"}).is(200, 0, "").in(&state)
	if state.Change != 3 || len(state.Items) != 2 || !state.Items[0].Live || state.Items[0].Below.Value != "1" || state.Items[0].Source != "live change 1" || state.Items[1].Value != "***" || state.Items[1].Below != nil {
		t.Errorf("%+v", state)
	}

	var log struct {
		Items []struct{ Actor, Operation, Reason string }
	}
	s.do(t, call{as: "all", do: "GET /v1/admin/audit-log?limit=3"}).is(200, 0, "").in(&log)
	for i, want := range []struct{ operation, reason string }{{"undoSettings", "they left"}, {"changeSettings", "more bots"}, {"changeSettings", "bots"}} {
		if e := log.Items[i]; e.Operation != want.operation || e.Reason != want.reason || e.Actor != "the all desk" {
			t.Errorf("entry %d of the audit log: %+v", i, e)
		}
	}
	s.do(t, call{as: "sales", do: settings, body: `{}`}).is(403, fault.Forbidden, "")
	s.do(t, call{do: "GET /v1/admin/settings"}).is(401, fault.Unauthenticated, "")
}
