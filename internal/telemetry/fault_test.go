package telemetry

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/tidegate/tidegate/internal/kernel/fault"
)

func TestFaultLog(t *testing.T) {
	var b bytes.Buffer
	l := NewFaultLog(NewLogger(&b, LogConfig{Level: "info", Format: "json"}, new(slog.LevelVar), false))
	refusal := fault.New(fault.SoldOut, "")
	l.Failed("r1", "POST", "/v1/orders", refusal, refusal)
	if b.Len() > 0 {
		t.Error("a refusal wakes nobody:", b.String())
	}
	full := fault.Wrap(fault.StoreFull, errors.New("no space left"), "")
	for range 100 * linesPerSecondMax {
		l.Failed("r1", "POST", "/v1/orders", full, full)
	}
	// The storm may run over the end of a second.
	if lines := strings.Count(b.String(), "\n"); lines < linesPerSecondMax || lines > 2*linesPerSecondMax {
		t.Errorf("%d lines", lines)
	}
	for _, want := range []string{`"cause":"store_full: no space left"`, `"request_id":"r1"`, `"path":"/v1/orders"`, `"level":"ERROR"`} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%s is missing: %.300s", want, b.String())
		}
	}
}
