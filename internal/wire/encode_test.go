package wire

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidegate/tidegate/internal/alloctest"
	"github.com/tidegate/tidegate/internal/kernel/fault"
)

func TestAppendProblem(t *testing.T) {
	e := fault.Bad("lines[0].quantity", "It must be \"1\" to 1000, not %d.", 0)
	const want = `{"type":"/docs#invalid","title":"A value is not allowed","status":422,"detail":"It must be \"1\" to 1000, not 0.",` +
		`"code":"invalid","number":4220,"field":"lines[0].quantity","request_id":"ab"}`
	if diff := cmp.Diff(want, string(AppendProblem(nil, e, "ab"))); diff != "" {
		t.Error(diff)
	}
	for _, c := range fault.Codes() {
		var any map[string]any
		if err := json.Unmarshal(AppendProblem(nil, fault.New(c, "bytes \xff and\x00"), ""), &any); err != nil || any["code"] != c.String() {
			t.Errorf("%s: %v %v", c, err, any)
		}
	}
}

func TestRetryAfterSeconds(t *testing.T) {
	for _, tt := range []struct {
		e    *fault.Error
		want int64
	}{
		{fault.New(fault.SoldOut, ""), 0},
		{fault.New(fault.Overloaded, ""), 1},
		{fault.New(fault.TooManyRequests, ""), 1},
		{fault.New(fault.Overloaded, "").After(1001 * time.Millisecond), 2},
		{fault.New(fault.SaleNotOpen, "").After(time.Minute), 60},
	} {
		if got := RetryAfterSeconds(tt.e); got != tt.want {
			t.Errorf("%v after %v: %d, want %d", tt.e.Code, tt.e.RetryAfter, got, tt.want)
		}
	}
}

// FuzzAppendText checks that a JSON reader reads every text back.
func FuzzAppendText(f *testing.F) {
	for _, s := range []string{"", "plain", "\"\\\n\x00", "Größe", "\xff\xfe", "\U0001f30a"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var back string
		if err := json.Unmarshal(AppendText(nil, s), &back); err != nil {
			t.Fatalf("%q: %v", s, err)
		}
		if want, _ := json.Marshal(s); string(want) != "" {
			var again string
			if err := json.Unmarshal(want, &again); err != nil || again != back {
				t.Fatalf("%q is read back as %q", s, back)
			}
		}
	})
}

func TestAllocationsOfAProblem(t *testing.T) {
	e := fault.New(fault.SoldOut, "There is not enough left of SKU 7240126464000001.")
	buf := make([]byte, 0, 512)
	alloctest.AtMost(t, 0, func() { buf = AppendProblem(buf[:0], e, "4f1d0a7c52e9b386") })
}

func BenchmarkAppendProblem(b *testing.B) {
	b.ReportAllocs()
	e := fault.New(fault.SoldOut, "There is not enough left of SKU 7240126464000001.")
	buf := make([]byte, 0, 512)
	for b.Loop() {
		buf = AppendProblem(buf[:0], e, "4f1d0a7c52e9b386")
	}
}
