package id

import (
	"encoding/json"
	"errors"
	"math"
	"sync"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/clock"
	"github.com/tidegate/tidegate/internal/kernel/fault"
)

func TestParse(t *testing.T) {
	for _, c := range []struct {
		text string
		want Order
		ok   bool
	}{
		{"1", 1, true},
		{"9223372036854775807", 1<<63 - 1, true},
		{"9223372036854775808", 0, false},
		{"0", 0, false},
		{"007", 0, false},
		{"-1", 0, false},
		{"+1", 0, false},
		{"1.0", 0, false},
		{" 1", 0, false},
		{"", 0, false},
		{"１", 0, false},
		{"99999999999999999999", 0, false},
	} {
		got, err := Parse[Order](c.text)
		if got != c.want || (err == nil) != c.ok || err != nil && !errors.Is(err, ErrMalformed) {
			t.Errorf("%q: got %d, %v", c.text, got, err)
		}
	}
}

func TestJSON(t *testing.T) {
	type thing struct {
		Order Order `json:"order"`
		SKU   SKU   `json:"sku,omitzero"`
	}
	b, err := json.Marshal(thing{Order: 9007199254740993})
	if err != nil || string(b) != `{"order":"9007199254740993"}` {
		t.Fatalf("got %s, %v", b, err)
	}
	var back thing
	if err := json.Unmarshal(b, &back); err != nil || back.Order != 9007199254740993 {
		t.Fatalf("got %+v, %v", back, err)
	}
	for _, bad := range []string{`{"order":1}`, `{"order":"x"}`, `{"order":"0"}`} {
		if err := json.Unmarshal([]byte(bad), &back); err == nil {
			t.Errorf("%s was taken", bad)
		}
	}
}

func TestMint(t *testing.T) {
	c := clock.NewManual(Epoch.Add(time.Hour))
	m, err := NewMint(c, 5)
	if err != nil {
		t.Fatal(err)
	}
	first := New[Order](m)
	if got := time.Duration(int64(first)>>timeShift) * time.Millisecond; got != time.Hour {
		t.Errorf("minted %s after the epoch", got)
	}
	if node := int64(first) >> sequenceBits & NodeMax; node != 5 {
		t.Errorf("node %d", node)
	}
	c.Advance(-time.Minute)
	if next := New[Order](m); next <= first {
		t.Errorf("%d after %d: a clock that steps back must not repeat ids", next, first)
	}
	for _, node := range []int{-1, NodeMax + 1} {
		if _, err := NewMint(c, node); err == nil {
			t.Errorf("node %d was taken", node)
		}
	}
}

func TestFirstAt(t *testing.T) {
	at := Epoch.Add(time.Hour)
	c := clock.NewManual(at)
	m, err := NewMint(c, 0)
	if err != nil {
		t.Fatal(err)
	}
	if minted := m.Next(); minted < FirstAt(at) || minted >= FirstAt(at.Add(time.Millisecond)) {
		t.Errorf("%d is not of its millisecond", minted)
	}
	for _, tt := range []struct {
		at   time.Time
		want int64
	}{{Epoch, 0}, {time.Time{}, 0}, {Epoch.Add(-time.Hour), 0}, {time.Date(2500, 1, 1, 0, 0, 0, 0, time.UTC), math.MaxInt64}} {
		if got := FirstAt(tt.at); got != tt.want {
			t.Errorf("%s: %d, want %d", tt.at, got, tt.want)
		}
	}
}

// A process whose clock has stepped back continues after the newest id of any node.
func TestMintAfterARestart(t *testing.T) {
	c := clock.NewManual(Epoch.Add(time.Hour))
	before, err := NewMint(c, 7)
	if err != nil {
		t.Fatal(err)
	}
	newest := before.Next()
	c.Advance(-time.Minute)
	for _, node := range []int{0, 7} {
		m, err := NewMint(c, node)
		if err != nil {
			t.Fatal(err)
		}
		m.StartAfter(newest)
		m.StartAfter(1)
		if next := m.Next(); next <= newest {
			t.Errorf("node %d: %d after %d", node, next, newest)
		}
	}
}

func TestMintConcurrently(t *testing.T) {
	m, err := NewMint(clock.NewManual(Epoch.Add(time.Hour)), 0)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	seen := map[int64]bool{}
	for range 8 {
		wg.Go(func() {
			mine := make([]int64, 10_000) // more than a millisecond holds
			for i := range mine {
				mine[i] = m.Next()
			}
			mu.Lock()
			defer mu.Unlock()
			for _, n := range mine {
				if seen[n] {
					t.Errorf("%d was minted twice", n)
				}
				seen[n] = true
			}
		})
	}
	wg.Wait()
}

// A leased mint mints until its lease expires, not one id more, and continues with the next lease.
func TestLeasedMint(t *testing.T) {
	m := NewLeasedMint(clock.NewManual(Epoch.Add(time.Hour)))
	refused := func() (err error) {
		defer func() { err, _ = recover().(error) }()
		m.Next()
		return nil
	}
	if err := refused(); !errors.Is(err, fault.StoreUnavailable) || !errors.Is(m.Check(), fault.StoreUnavailable) {
		t.Errorf("minted without a lease: %v, %v", err, m.Check())
	}
	m.SetNode(7, time.Now().Add(time.Hour))
	first := m.Next()
	if node := first >> sequenceBits & NodeMax; node != 7 || m.Check() != nil {
		t.Errorf("node %d, %v", node, m.Check())
	}
	m.SetNode(7, time.Now().Add(-time.Nanosecond))
	if err := refused(); !errors.Is(err, fault.StoreUnavailable) {
		t.Errorf("minted after the lease's end: %v", err)
	}
	m.SetNode(8, time.Now().Add(time.Hour))
	if next := m.Next(); next <= first || next>>sequenceBits&NodeMax != 8 {
		t.Errorf("%d after %d", next, first)
	}
}

func BenchmarkMint(b *testing.B) {
	m, err := NewMint(clock.System{}, 0)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		m.Next()
	}
}
