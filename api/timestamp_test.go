package api

import (
	"encoding/json"
	"testing"
	"time"
)

func TestTimestamp(t *testing.T) {
	for _, tt := range []struct{ in, out string }{
		{`"2026-11-27T20:00:00Z"`, `"2026-11-27T20:00:00.000Z"`},
		{`"2026-11-27T21:00:00.4129+01:00"`, `"2026-11-27T20:00:00.412Z"`},
		{`"tomorrow"`, ""},
		{`"2026-11-27"`, ""},
		{`"2026-13-27T20:00:00Z"`, ""},
		{`1795636800`, ""},
		{`""`, ""},
	} {
		var at Timestamp
		err := json.Unmarshal([]byte(tt.in), &at)
		if (err == nil) != (tt.out != "") {
			t.Errorf("%s: %v", tt.in, err)
		}
		if err != nil {
			continue
		}
		if out, err := json.Marshal(at); err != nil || string(out) != tt.out {
			t.Errorf("%s became %s, %v", tt.in, out, err)
		}
	}
	if !At(time.Time{}).IsZero() {
		t.Error("no time became one")
	}
}
