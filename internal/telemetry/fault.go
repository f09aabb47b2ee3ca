package telemetry

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/fault"
)

// linesPerSecondMax bounds the lines of one code: a full disk refuses forty thousand orders a second, and needs the log too.
const linesPerSecondMax = 10

// FaultLog writes a line for each failed request that somebody is to look at, and keeps a storm of one fault from becoming a
// storm of lines. It is safe for concurrent use.
type FaultLog struct {
	log     *slog.Logger
	mu      sync.Mutex
	seconds map[fault.Code]*loggedFault
}

type loggedFault struct {
	second     int64
	lines      int
	suppressed int
}

// NewFaultLog returns a FaultLog that writes to log.
func NewFaultLog(log *slog.Logger) *FaultLog {
	return &FaultLog{log: log, seconds: map[fault.Code]*loggedFault{}}
}

// Failed writes a line with the cause err of the fault e that a request was answered with, unless nobody is to be woken for it
// or there were too many of its kind in this second. The texts may lie in memory that is used again afterwards.
func (l *FaultLog) Failed(requestID, method, path string, e *fault.Error, err error) {
	grade := e.Code.Row().Grade
	if grade == fault.None {
		return
	}
	suppressed, ok := l.allow(e.Code, time.Now())
	if !ok {
		return
	}
	level := slog.LevelError
	if grade == fault.P2 {
		level = slog.LevelWarn
	}
	attrs := []slog.Attr{
		slog.String("code", e.Code.String()),
		slog.String("grade", grade.String()),
		slog.String("method", strings.Clone(method)),
		slog.String("path", strings.Clone(path)),
		slog.String("cause", err.Error()),
	}
	if suppressed > 0 {
		attrs = append(attrs, slog.Int("not_logged", suppressed))
	}
	l.log.LogAttrs(WithRequestID(context.Background(), strings.Clone(requestID)), level, "a request failed", attrs...)
}

// allow reports whether a line may be written, and how many were not since the last one.
func (l *FaultLog) allow(c fault.Code, now time.Time) (suppressed int, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	w := l.seconds[c]
	if w == nil {
		w = &loggedFault{}
		l.seconds[c] = w
	}
	if w.second != now.Unix() {
		w.second, w.lines = now.Unix(), 0
	}
	if w.lines++; w.lines > linesPerSecondMax {
		w.suppressed++
		return 0, false
	}
	suppressed, w.suppressed = w.suppressed, 0
	return suppressed, true
}
