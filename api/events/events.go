// Package events is the contract of what the shop announces: for each event a JSON Schema of its payload
// (order.paid.v1.schema.json) and a golden sample (order.paid.v1.json), made by the real code. docs/events.md tells them in
// words.
//
// A payload may gain optional fields; anything else is a new version of the event, announced beside the old one for as long
// as somebody follows that.
package events

import (
	"embed"
	"strings"
	"sync"
)

//go:embed *.json
var files embed.FS

const schemaSuffix = ".schema.json"

// Types returns the events there are, such as order.paid.v1, in alphabetical order. The slice is shared: do not change it.
var Types = sync.OnceValue(func() []string {
	all, err := files.ReadDir(".")
	if err != nil {
		panic(err) // it is in the binary
	}
	var types []string
	for _, f := range all {
		if name, ok := strings.CutSuffix(f.Name(), schemaSuffix); ok {
			types = append(types, name)
		}
	}
	return types
})

// Schema returns the JSON Schema of an event's payload; nil where there is no such event.
func Schema(kind string) []byte { return read(kind + schemaSuffix) }

// Sample returns an event's payload as the code makes it; nil where there is no such event.
func Sample(kind string) []byte { return read(kind + ".json") }

func read(name string) []byte {
	b, err := files.ReadFile(name)
	if err != nil {
		return nil
	}
	return b
}
