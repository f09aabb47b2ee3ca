package sandbox

import (
	"bytes"
	"testing"
)

// FuzzCommand checks that every accepted command is within its limits.
func FuzzCommand(f *testing.F) {
	for _, seed := range []string{`{}`, `{"settle":"paid","notifications":[{"delay_ms":2000},{}]}`, `{"notifications":[{"age_ms":-9223372036854775808}]}`, `{"settle":"free"}`, `[]`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		_, notes, err := readCommand(bytes.NewReader(body))
		if err != nil {
			return
		}
		if len(notes) > notesMax {
			t.Errorf("%q asks for %d notifications", body, len(notes))
		}
		for _, n := range notes {
			if n.DelayMS < 0 || n.DelayMS > delayMax.Milliseconds() || n.AgeMS > delayMax.Milliseconds() || n.AgeMS < -delayMax.Milliseconds() {
				t.Errorf("%q is taken for %+v", body, n)
			}
		}
	})
}
