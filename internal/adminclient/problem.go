package adminclient

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/tidegate/tidegate/api"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/text"
)

// IsInvalid reports whether err refuses what a command was given, rather than tells that it could not be done.
func IsInvalid(err error) bool { return errors.Is(err, fault.Invalid) }

func problemOf(response *http.Response, body []byte) error {
	var problem api.Problem
	if err := json.Unmarshal(body, &problem); err != nil || problem.Code == "" {
		return errors.New("the target is no shop of ours: it answered " + text.Visible(response.Status))
	}
	return faultOf(&problem)
}

// faultOf is the fault that a problem was made of, in words that stay on their line: another server made them.
func faultOf(problem *api.Problem) error {
	for _, code := range fault.Codes() {
		if row := code.Row(); row.Slug == problem.Code {
			detail := problem.Detail
			if detail == "" {
				detail = row.Title
			}
			e := &fault.Error{Code: code, Field: text.Visible(problem.Field), Detail: text.Visible(detail)}
			for i, one := range problem.Errors {
				if i > 0 { // the first is the problem itself
					e.Others = append(e.Others, &fault.Error{Code: code, Field: text.Visible(one.Field), Detail: text.Visible(one.Detail)})
				}
			}
			return e
		}
	}
	return fmt.Errorf("the shop answered with a problem: %s", text.Visible(problem.Title))
}
