package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/tidegate/tidegate/api"
	"github.com/tidegate/tidegate/internal/kernel/fault"
)

// Target names a running shop: the base address of its public listener, such as https://shop.example.com, and an admin
// key. The zero value is the shop in the data folder.
type Target struct{ URL, AdminKey string }

const (
	// answerTimeout bounds a command's request and its short answer.
	answerTimeout = 30 * time.Second
	// answerBytesMax bounds what is read of an answer: a page of 200 of anything is far smaller.
	answerBytesMax = 8 << 20
)

// IsInvalid reports whether err refuses what a command was given, rather than tells that it could not be done.
func IsInvalid(err error) bool { return errors.Is(err, fault.Invalid) }

// runningTarget returns the shop that holds the data folder, as its running.json says. held is returned where there is
// no such file: the process starts, stops, or is no server.
func runningTarget(c Config, held error) (Target, error) {
	var at Running
	found, err := readJSON(c.Data, runningFile, &at)
	if err != nil {
		return Target{}, err
	}
	if !found || at.Public == "" {
		return Target{}, held
	}
	return Target{URL: at.Public, AdminKey: at.AdminKey}, nil
}

// client returns a client of the shop's admin API.
func (t Target) client(transport http.RoundTripper) (*api.Client, error) {
	base, err := url.Parse(t.URL)
	if err != nil || base.Host == "" || (base.Scheme != "http" && base.Scheme != "https") {
		return nil, fmt.Errorf("the target %q is not an address such as https://shop.example.com", t.URL)
	}
	if t.AdminKey == "" {
		return nil, fmt.Errorf("the shop at %s asks for an admin key: give it with --admin-key or %s", t.URL, EnvAdminKey)
	}
	return api.NewClient(t.URL,
		api.WithHTTPClient(&http.Client{Transport: transport, Timeout: answerTimeout}),
		api.WithRequestEditorFn(func(_ context.Context, r *http.Request) error {
			r.Header.Set("Authorization", "Bearer "+t.AdminKey)
			return nil
		}))
}

// answer reads a response into v, where that is not nil. A problem becomes the fault that the shop meant.
func answer(response *http.Response, err error, v any) error {
	if err != nil {
		return fmt.Errorf("the shop does not answer: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, answerBytesMax))
	if err != nil {
		return fmt.Errorf("the shop's answer broke off: %w", err)
	}
	if response.StatusCode >= http.StatusBadRequest {
		return problemOf(response, body)
	}
	if v == nil {
		return nil
	}
	if err := json.Unmarshal(body, v); err != nil {
		return fmt.Errorf("the shop's answer cannot be read: %w", err)
	}
	return nil
}

func problemOf(response *http.Response, body []byte) error {
	var problem api.Problem
	if err := json.Unmarshal(body, &problem); err != nil || problem.Code == "" {
		return errors.New("the target is no shop of ours: it answered " + response.Status)
	}
	for _, code := range fault.Codes() {
		if row := code.Row(); row.Slug == problem.Code {
			detail := problem.Detail
			if detail == "" {
				detail = row.Title
			}
			return &fault.Error{Code: code, Field: problem.Field, Detail: detail}
		}
	}
	return fmt.Errorf("the shop answered %s: %s", response.Status, problem.Title)
}
