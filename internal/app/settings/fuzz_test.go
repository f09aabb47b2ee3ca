package settings

import (
	"errors"
	"testing"
)

// FuzzFile reads anything as a file of settings: it is taken, or its problems are named.
func FuzzFile(f *testing.F) {
	for _, seed := range []string{
		"data: /tmp/x\n", "http:\n  address: 127.0.0.1:1\n  read_timeout: 5s\n", "http: [1]\n", "a: &a [*a]\n", "orders: {gate: {pools: 99999999999999999999}}\n", "? :\n", "\x00", "data: !!binary x\n",
	} {
		f.Add([]byte(seed), "TIDEGATE_DATA=x")
	}
	f.Fuzz(func(t *testing.T, text []byte, env string) {
		_, _, err := Load(defaults(), Sources{File: "tidegate.yaml", Text: text, Env: []string{env}})
		if problems, is := errors.AsType[Problems](err); err != nil && (!is || len(problems) == 0) {
			t.Errorf("%q and %q: %v", text, env, err)
		}
	})
}
