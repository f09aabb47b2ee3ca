package app

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/tidegate/tidegate/api"
	"github.com/tidegate/tidegate/internal/kernel/fault"
)

// Target names a running shop: the base address of its public listener, such as https://shop.example.com, and an admin
// key. The zero value is the shop in the data folder.
type Target struct{ URL, AdminKey string }

// IsInvalid reports whether err refuses what a command was given, rather than tells that it could not be done.
func IsInvalid(err error) bool { return errors.Is(err, fault.Invalid) }

func problemOf(response *http.Response, body []byte) error {
	var problem api.Problem
	if err := json.Unmarshal(body, &problem); err != nil || problem.Code == "" {
		return errors.New("the target is no shop of ours: it answered " + response.Status)
	}
	return faultOf(&problem)
}

// faultOf is the fault that a problem was made of.
func faultOf(problem *api.Problem) error {
	for _, code := range fault.Codes() {
		if row := code.Row(); row.Slug == problem.Code {
			detail := problem.Detail
			if detail == "" {
				detail = row.Title
			}
			return &fault.Error{Code: code, Field: problem.Field, Detail: detail}
		}
	}
	return fmt.Errorf("the shop answered with a problem: %s", problem.Title)
}
