package settings

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidegate/tidegate/internal/kernel/fault"
)

type listener struct {
	Address      string        `koanf:"address" help:"where to listen"`
	ReadTimeout  time.Duration `koanf:"read_timeout" help:"how long a request may take to arrive" live:"true"`
	BodyBytesMax int64         `koanf:"body_bytes_max" help:"largest body"`
	Origins      []string      `koanf:"origins" help:"who may ask from a browser"`
}

func (l listener) Validate() error {
	var wrong []error
	if l.ReadTimeout <= 0 {
		wrong = append(wrong, fault.Bad("read_timeout", "it must be above 0s"))
	}
	if l.BodyBytesMax > 1<<30 {
		wrong = append(wrong, fault.Bad("body_bytes_max", "it must be at most 1GiB"))
	}
	return errors.Join(wrong...)
}

type gate struct {
	Pools  int     `koanf:"pools" help:"how many" live:"true"`
	Jitter float64 `koanf:"jitter" help:"share"`
	On     bool    `koanf:"on" help:"whether"`
}

type tree struct {
	Data   string   `koanf:"data" help:"folder"`
	Secret string   `koanf:"signing_secret" help:"secret" secret:"true"`
	HTTP   listener `koanf:"http"`
	Orders struct {
		Gate gate `koanf:"gate"`
	} `koanf:"orders"`
}

func defaults() tree {
	var t tree
	t.Data = "./data"
	t.HTTP = listener{Address: "127.0.0.1:8080", ReadTimeout: 15 * time.Second, BodyBytesMax: 1 << 16}
	t.Orders.Gate = gate{Pools: 4, Jitter: 0.1, On: true}
	return t
}

func TestLayersWinInOrder(t *testing.T) {
	t.Parallel()
	got, all, err := Load(defaults(), Sources{
		File:      "shop.yaml",
		Text:      []byte("http:\n  address: :1\n  read_timeout: 15m\n  origins: [a, b]\norders:\n  gate: {pools: 9, on: false}\n"),
		Env:       []string{"TIDEGATE_HTTP_ADDRESS=:2", "TIDEGATE_HTTP_BODY_BYTES_MAX=1MB", "HOME=/x", "TIDEGATE_CONFIG=x", "TIDEGATE_SIGNING_SECRET=hush"},
		EnvOthers: []string{"TIDEGATE_CONFIG"},
		Flags:     map[string]string{"http.address": ":3", "orders.gate.jitter": "0.25"},
		Live:      map[string]string{"orders.gate.pools": "12"}, LiveFrom: "live change 3",
	})
	if err != nil {
		t.Fatal(err)
	}
	want := defaults()
	want.Secret = "hush"
	want.HTTP = listener{Address: ":3", ReadTimeout: 15 * time.Minute, BodyBytesMax: 1_000_000, Origins: []string{"a", "b"}}
	want.Orders.Gate = gate{Pools: 12, Jitter: 0.25, On: false}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}

	var text bytes.Buffer
	if err := all.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	wantText := `KEY                  VALUE    LIVE  FROM
data                 ./data   no    default
signing_secret       ***      no    environment TIDEGATE_SIGNING_SECRET
http.address         :3       no    flag --http.address
http.read_timeout    15m      yes   shop.yaml line 3
http.body_bytes_max  1000000  no    environment TIDEGATE_HTTP_BODY_BYTES_MAX
http.origins         a,b      no    shop.yaml line 4
orders.gate.pools    12       yes   live change 3, over shop.yaml line 6
orders.gate.jitter   0.25     no    flag --orders.gate.jitter
orders.gate.on       false    no    shop.yaml line 6
`
	if diff := cmp.Diff(wantText, text.String()); diff != "" {
		t.Error(diff)
	}
	var js bytes.Buffer
	if err := all.WriteJSON(&js); err != nil {
		t.Fatal(err)
	}
	var list []map[string]any
	if err := json.Unmarshal(js.Bytes(), &list); err != nil {
		t.Fatal(err)
	}
	below := map[string]any{"value": 9.0, "origin": "file", "where": "shop.yaml line 6"}
	if diff := cmp.Diff(below, list[6]["below"]); diff != "" || list[6]["live"] != true || list[6]["origin"] != "live" || list[0]["live"] != false || list[0]["below"] != nil {
		t.Errorf("JSON of a live setting: %v", list[6])
	}
	if list[1]["value"] != "***" || list[3]["value"] != "15m" || list[8]["value"] != false || strings.Contains(js.String(), "hush") {
		t.Errorf("JSON: %s", js.String())
	}
}

func TestWhatIsWrongIsSaid(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name string
		from Sources
		want []string
	}{
		{"unknown key in the file", Sources{File: "f", Text: []byte("http:\n  adress: x\n")},
			[]string{"http.adress (f line 2): there is no such setting; did you mean http.address?"}},
		{"unknown key, nothing near", Sources{File: "f", Text: []byte("zzzzzzzz: x\n")},
			[]string{"zzzzzzzz (f line 1): there is no such setting; `tidegate config` lists them all"}},
		{"unknown branch", Sources{File: "f", Text: []byte("htp:\n  address: x\n")},
			[]string{"htp (f line 1): there is no such setting; did you mean http?"}},
		{"unknown environment", Sources{Env: []string{"TIDEGATE_HTTP_ADRESS=1"}},
			[]string{"environment TIDEGATE_HTTP_ADRESS: there is no such setting; did you mean TIDEGATE_HTTP_ADDRESS?"}},
		{"unknown flag", Sources{Flags: map[string]string{"orders.gate.pool": "1"}},
			[]string{"orders.gate.pool (flag --orders.gate.pool): there is no such setting; did you mean orders.gate.pools?"}},
		{"all at once", Sources{File: "f", Text: []byte("http:\n  read_timeout: 15\n  body_bytes_max: lots\norders:\n  gate:\n    pools: 1.5\n    jitter: half\n    on: yes\n")},
			[]string{
				`http.body_bytes_max (f line 3): "lots" is not a number of bytes: write it as 65536, 64KiB or 1MB`,
				`http.read_timeout (f line 2): "15" is not a duration: write it as 250ms, 15s, 15m or 24h`,
				`orders.gate.jitter (f line 7): "half" is not a number: write it as 0.5`,
				`orders.gate.on (f line 8): "yes" is neither true nor false`,
				`orders.gate.pools (f line 6): "1.5" is not a whole number: write it as 500`,
			}},
		{"a rule of the component, several", Sources{Env: []string{"TIDEGATE_HTTP_READ_TIMEOUT=0s"}, Flags: map[string]string{"http.body_bytes_max": "2GiB"}},
			[]string{
				"http.body_bytes_max (flag --http.body_bytes_max): it must be at most 1GiB",
				"http.read_timeout (environment TIDEGATE_HTTP_READ_TIMEOUT): it must be above 0s",
			}},
		{"a live layer that cannot be, all of it", Sources{LiveFrom: "live", Live: map[string]string{
			"orders.gate.pool": "1", "data": "x", "signing_secret": "x", "orders.gate.pools": "many", "http.read_timeout": "0s",
		}},
			[]string{
				"data (live): it is not live: write it into the file, the environment or a flag, and start the process again",
				"http.read_timeout (live): it must be above 0s",
				"orders.gate.pool (live): there is no such setting; did you mean orders.gate.pools?",
				`orders.gate.pools (live): "many" is not a whole number: write it as 500`,
				"signing_secret (live): it is a secret, and not live: write it into the file or the environment, and start the process again",
			}},
		{"written twice", Sources{File: "f", Text: []byte("data: a\ndata: b\n")},
			[]string{"data (f line 2): it is written twice, first on line 1"}},
		{"no value", Sources{File: "f", Text: []byte("data:\n")},
			[]string{"data (f line 1): it has no value; leave the key out to keep the default"}},
		{"a value where settings belong", Sources{File: "f", Text: []byte("http: 8080\n")},
			[]string{"http (f line 1): it needs settings below it, such as http.address"}},
		{"settings where a value belongs", Sources{File: "f", Text: []byte("data: {a: b}\n")},
			[]string{"data (f line 1): it is a single value"}},
		{"a map where a list belongs", Sources{File: "f", Text: []byte("http: {origins: {a: b}}\n")},
			[]string{"http.origins (f line 1): it is a list: write it as [a, b]"}},
		{"a list where the tree belongs", Sources{File: "f", Text: []byte("- a\n")},
			[]string{"f line 1: it needs settings below it, such as data"}},
		{"not YAML", Sources{File: "f", Text: []byte("a: [\n")},
			[]string{"f: it is not YAML: line 1: did not find expected node content"}},
		{"a number that does not fit", Sources{Flags: map[string]string{"http.body_bytes_max": "9223372036854775807KiB"}},
			[]string{`http.body_bytes_max (flag --http.body_bytes_max): "9223372036854775807KiB" is not a number of bytes: write it as 65536, 64KiB or 1MB`}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, _, err := Load(defaults(), c.from)
			if _, ok := errors.AsType[Problems](err); !ok {
				t.Fatalf("got %v, want Problems", err)
			}
			if diff := cmp.Diff(strings.Join(c.want, "\n"), err.Error()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAnEmptyFileIsNoLayer(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "# only a comment\n"} {
		got, _, err := Load(defaults(), Sources{File: "f", Text: []byte(text)})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(defaults(), got); diff != "" {
			t.Error(diff)
		}
	}
}

func TestATypeThatIsNoTreeIsRefused(t *testing.T) {
	t.Parallel()
	type untagged struct{ A string }
	type unwritable struct {
		A map[string]string `koanf:"a"`
	}
	type liveSecret struct {
		A string `koanf:"a" secret:"true" live:"true"`
	}
	type ambiguous struct {
		A struct {
			B string `koanf:"b"`
		} `koanf:"a"`
		AB string `koanf:"a_b"`
	}
	for name, load := range map[string]func() error{
		"untagged":   func() error { _, _, err := Load(untagged{}, Sources{}); return err },
		"unwritable": func() error { _, _, err := Load(unwritable{}, Sources{}); return err },
		"liveSecret": func() error { _, _, err := Load(liveSecret{}, Sources{}); return err },
		"ambiguous":  func() error { _, _, err := Load(ambiguous{}, Sources{}); return err },
	} {
		if err := load(); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestFlagsNameEveryLeaf(t *testing.T) {
	t.Parallel()
	flags, err := Flags(defaults())
	if err != nil {
		t.Fatal(err)
	}
	want := Flag{Path: "http.read_timeout", Help: "how long a request may take to arrive", Default: "15s"}
	if len(flags) != 9 || flags[3] != want || !flags[8].Bool {
		t.Errorf("flags: %+v", flags)
	}
}

func TestSizesAndDurationsReadAsTheyAreWritten(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{0: "0", 1: "1", 1024: "1KiB", 65536: "64KiB", 1 << 20: "1MiB", 3 << 30: "3GiB", 1000: "1000"} {
		if got := formatSize(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
		if back, err := parseSize(want); err != nil || back != n {
			t.Errorf("%s: %d, %v", want, back, err)
		}
	}
	for d, want := range map[time.Duration]string{
		0: "0s", time.Second: "1s", 15 * time.Minute: "15m", 24 * time.Hour: "24h", 90 * time.Minute: "1h30m",
		10 * time.Second: "10s", 250 * time.Millisecond: "250ms", time.Hour + time.Second: "1h0m1s",
	} {
		if got := formatDuration(d); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
}
