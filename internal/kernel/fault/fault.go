// Package fault holds the shop's one closed table of error codes, and the error type that carries them.
//
// Modules and adapters return a *Error if a caller can act on the reason; any other error is Internal at the edge.
// Adapters turn a code into HTTP or gRPC in one place each. Causes are wrapped, logged once at the edge, and never
// shown.
package fault

import (
	"errors"
	"fmt"
	"runtime/debug"
	"time"
)

// Error is a fault with its reason in words.
type Error struct {
	Code Code
	// Detail says in one sentence what is wrong and what would be right. It is shown to the caller.
	Detail string
	// Field is the path of the invalid input, such as "lines[0].quantity"; empty if it is not one field.
	Field string
	// RetryAfter, if not zero, is when to retry.
	RetryAfter time.Duration
	// Available is the number of units that shoppers see left, for FewerLeft; zero: not shown.
	Available int64
	// Others are further invalid inputs, if several are reported together.
	Others []*Error

	cause error
}

// New returns a fault with a detail formatted as by fmt.Sprintf. The detail is shown: it must not contain secrets or
// causes.
func New(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Detail: sprintf(format, args)}
}

// Bad returns an Invalid fault of one field.
func Bad(field, format string, args ...any) *Error {
	return &Error{Code: Invalid, Field: field, Detail: sprintf(format, args)}
}

// All combines several Invalid faults: it returns the first, with the others in Others; nil if there are none.
func All(faults []*Error) *Error {
	if len(faults) == 0 {
		return nil
	}
	first := *faults[0]
	first.Others = faults[1:]
	return &first
}

// Wrap returns a fault whose cause is err. The cause is logged, not shown.
func Wrap(code Code, err error, format string, args ...any) *Error {
	return &Error{Code: code, Detail: sprintf(format, args), cause: err}
}

func sprintf(format string, args []any) string {
	if len(args) == 0 {
		return format
	}
	return fmt.Sprintf(format, args...)
}

// After sets when to retry and returns e.
func (e *Error) After(d time.Duration) *Error {
	e.RetryAfter = d
	return e
}

// Recovered turns a recovered panic into a fault: the fault it carried, or Internal with the stack as its cause.
func Recovered(p any) *Error {
	err, ok := p.(error)
	if !ok {
		err = fmt.Errorf("%v", p)
	} else if known, ok := errors.AsType[*Error](err); ok {
		return known
	}
	return Wrap(Internal, fmt.Errorf("panic: %w\n%s", err, debug.Stack()), "")
}

// Safely calls fn and turns a panic into an error, as Recovered does. Goroutines of a step use it, because a panic
// there would end the process.
func Safely(fn func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = Recovered(p)
		}
	}()
	return fn()
}

// In sets the invalid input and returns e.
func (e *Error) In(field string) *Error {
	e.Field = field
	return e
}

// Error implements error, for logs: slug, field, detail and cause. Further faults follow on separate lines.
func (e *Error) Error() string {
	s := e.Code.String()
	if e.Field != "" {
		s += " " + e.Field
	}
	if e.Detail != "" {
		s += ": " + e.Detail
	}
	if e.cause != nil {
		s += ": " + e.cause.Error()
	}
	for _, other := range e.Others {
		s += "\n" + other.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.cause }

// Is makes errors.Is(err, fault.SoldOut) work through Code's Error method.
func (e *Error) Is(target error) bool {
	c, ok := target.(Code)
	return ok && c == e.Code
}

// Error lets a Code be the target of errors.Is.
func (c Code) Error() string { return c.String() }

// CodeOf returns the code of err: Internal if err has none.
func CodeOf(err error) Code {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	if c, ok := errors.AsType[Code](err); ok {
		return c
	}
	return Internal
}

// As returns err as a fault: err itself if it is one, otherwise an Internal fault with err as its cause.
func As(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	if c, ok := errors.AsType[Code](err); ok {
		return &Error{Code: c, cause: err}
	}
	return &Error{Code: Internal, cause: err}
}
