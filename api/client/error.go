package client

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// Error is what the shop answered in the place of what it was asked for. errors.Is compares it with a Code.
type Error struct {
	// Status is the answer's HTTP status.
	Status int
	// Code and Number name the reason; empty and zero where something before the shop answered, such as a proxy.
	Code   Code
	Number int
	// Title says the code in words, Detail what is wrong here, Field which input.
	Title, Detail, Field string
	// RequestID names the request to the shop's operator.
	RequestID string
	// RetryAfter is how long the shop asks to wait; zero where it does not say.
	RetryAfter time.Duration
}

// Error implements error.
func (e *Error) Error() string {
	switch {
	case e.Code == "":
		return fmt.Sprintf("the shop answered %d %s", e.Status, http.StatusText(e.Status))
	case e.Detail == "":
		return fmt.Sprintf("%s (%s)", e.Title, e.Code)
	default:
		return fmt.Sprintf("%s (%s): %s", e.Title, e.Code, e.Detail)
	}
}

// Is reports whether target is this error's code.
func (e *Error) Is(target error) bool {
	code, ok := target.(Code)
	return ok && code == e.Code
}

// Code is the stable name of a reason. It is an error so that errors.Is takes it.
type Code string

// Error implements error.
func (c Code) Error() string { return string(c) }

func errorOf(answer *http.Response) *Error {
	e := &Error{Status: answer.StatusCode, RetryAfter: retryAfter(answer.Header)}
	var p Problem
	if json.Unmarshal(readProblem(answer), &p) == nil {
		e.Code, e.Number, e.Title, e.Detail, e.Field, e.RequestID = Code(p.Code), p.Number, p.Title, p.Detail, p.Field, p.RequestId
	}
	return e
}
