package settings

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func loaded(t *testing.T, from Sources) (tree, *Tree) {
	t.Helper()
	c, all, err := Load(defaults(), from)
	if err != nil {
		t.Fatal(err)
	}
	return c, all
}

// A running process takes the live settings of what was read anew, and keeps the others as it was started with them.
func TestALiveSettingIsTakenAndAnotherIsNot(t *testing.T) {
	t.Parallel()
	config, started := loaded(t, Sources{File: "f", Text: []byte("data: a\nhttp: {read_timeout: 1s}\n")})
	again, read := loaded(t, Sources{
		File: "f", Text: []byte("data: b\nsigning_secret: hush\nhttp: {read_timeout: 2s}\n"),
		Live: map[string]string{"orders.gate.pools": "7"}, LiveFrom: "live change 1",
	})
	want := []Difference{
		{Path: "data", Before: "a", After: "b"},
		{Path: "signing_secret", Before: "", After: "***"},
		{Path: "http.read_timeout", Before: "1s", After: "2s", Live: true},
		{Path: "orders.gate.pools", Before: "4", After: "7", Live: true},
	}
	if diff := cmp.Diff(want, Differences(started, read)); diff != "" {
		t.Error(diff)
	}
	running := started.WithLive(read)
	if diff := cmp.Diff(want[2:], Differences(started, running)); diff != "" {
		t.Error(diff)
	}
	var of []Setting
	for _, s := range running.Settings() {
		if s.Path == "data" || s.Path == "orders.gate.pools" {
			of = append(of, s)
		}
	}
	if of[0].Text() != "a" || of[0].Where != "f line 1" || of[1].Text() != "7" || of[1].Where != "live change 1" || of[1].Below.Text() != "4" || of[1].Below.Origin != "default" {
		t.Errorf("the running settings: %+v", of)
	}
	if why := running.NotLive("http.read_timeout"); why != "" {
		t.Error(why)
	}
	if running.NotLive("data") == "" || running.NotLive("signing_secret") == "" || running.NotLive("http.read_timeou") != "there is no such setting; did you mean http.read_timeout?" {
		t.Error("a setting that cannot be live can be")
	}
	if err := CopyLive(&config, again); err != nil {
		t.Fatal(err)
	}
	if config.Data != "a" || config.Secret != "" || config.HTTP.ReadTimeout != 2*time.Second || config.Orders.Gate.Pools != 7 {
		t.Errorf("%+v", config)
	}
}

func TestLivePathsAreThoseThatSaySo(t *testing.T) {
	t.Parallel()
	got, err := LivePaths[tree]()
	if diff := cmp.Diff([]string{"http.read_timeout", "orders.gate.pools"}, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
}
