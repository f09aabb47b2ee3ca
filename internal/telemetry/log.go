package telemetry

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"slices"
	"strings"

	"github.com/tidegate/tidegate/internal/kernel/fault"
)

// LogConfig says what is logged and how.
type LogConfig struct {
	Level  string `koanf:"level" help:"least level that is logged: debug, info, warn or error" live:"true"`
	Format string `koanf:"format" help:"text, json, or auto: text on a terminal, else json"`
}

// DefaultLogConfig logs from info on, in the form that fits the output.
func DefaultLogConfig() LogConfig { return LogConfig{Level: "info", Format: "auto"} }

var (
	levels  = []string{"debug", "info", "warn", "error"}
	formats = []string{"auto", "text", "json"}
)

// Validate returns a fault for a level, and one for a format, that does not exist.
func (c LogConfig) Validate() error {
	var wrong []error
	if !slices.Contains(levels, c.Level) {
		wrong = append(wrong, fault.Bad("level", "%q is not a level: it is one of %s", c.Level, strings.Join(levels, ", ")))
	}
	if !slices.Contains(formats, c.Format) {
		wrong = append(wrong, fault.Bad("format", "%q is not a format: it is one of %s", c.Format, strings.Join(formats, ", ")))
	}
	return errors.Join(wrong...)
}

// SlogLevel returns the level, info for one that does not exist.
func (c LogConfig) SlogLevel() slog.Level {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.Level)); err != nil {
		return slog.LevelInfo
	}
	return level
}

// NewLogger returns a logger that writes to w. Records logged with a context carry its request id as request_id. The least level that is
// logged is that of level, which may change: it begins as the configuration's.
func NewLogger(w io.Writer, c LogConfig, level *slog.LevelVar, terminal bool) *slog.Logger {
	level.Set(c.SlogLevel())
	options := &slog.HandlerOptions{Level: level}
	if c.Format == "text" || c.Format == "auto" && terminal {
		return slog.New(withRequestID{slog.NewTextHandler(w, options)})
	}
	return slog.New(withRequestID{slog.NewJSONHandler(w, options)})
}

// withRequestID adds the context's request id to every record.
type withRequestID struct{ slog.Handler }

// Handle implements slog.Handler.
func (h withRequestID) Handle(ctx context.Context, r slog.Record) error {
	if id := RequestID(ctx); id != "" {
		r.AddAttrs(slog.String("request_id", id))
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h withRequestID) WithAttrs(attrs []slog.Attr) slog.Handler {
	return withRequestID{h.Handler.WithAttrs(attrs)}
}

// WithGroup implements slog.Handler.
func (h withRequestID) WithGroup(name string) slog.Handler {
	return withRequestID{h.Handler.WithGroup(name)}
}

type requestIDKey struct{}

// WithRequestID returns a context that carries a request's id.
func WithRequestID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, requestIDKey{}, id)
}

// RequestID returns the context's request id, empty where it has none.
func RequestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}
