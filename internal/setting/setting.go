// Package setting keeps what is changed in the settings while the shop runs: the live layer, which lies over the file, the environment and
// the flags that each process was started with.
//
// Every change is a row with the whole layer after it, who made it and why. The newest row is in force. A process reads the newest row at
// its start, and follows the table from then on.
//
// A process also follows its configuration file. The layer stays as it is then; a row says what changed in the file, so that the history
// has it and an undo can lay what the file said before over it.
package setting

import (
	"maps"
	"slices"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/id"
)

// Change is one change of the live layer, and the layer after it.
type Change struct {
	// Number grows by one with each change.
	Number int64
	// Layer holds the texts of the settings that are in the live layer after the change, by path.
	Layer map[string]string
	// Undoes is the number of the change that this one took back; zero: it is no undo.
	Undoes int64
	// Stands is the newest change that stands after this one, which the next undo takes back; zero: there is none.
	Stands int64
	// Actor is who made it, Key the admin key that it was made with; zero for the one that a running shop makes for itself.
	Actor  string
	Key    id.AdminKey
	Reason string
	At     time.Time
	// File holds, by path, what a configuration file said before and after the change; empty: the change was not made in a file.
	File map[string]FileText
}

// FileText is the text of a setting before and after a configuration file was changed.
type FileText struct {
	Before string `json:"before"`
	After  string `json:"after"`
}

// Delta is what a change did to the live layer, or to a file.
type Delta struct {
	// Set holds the texts of what the change set, Before the texts that the live layer, or the file, had of what it set or unset.
	Set, Before map[string]string
	// Unset are the paths that left the live layer, sorted.
	Unset []string
}

// delta returns what the change did to the layer that was before it, or to a file.
func (c *Change) delta(before map[string]string) Delta {
	d := Delta{Set: map[string]string{}, Before: map[string]string{}}
	for path, text := range c.File {
		d.Set[path], d.Before[path] = text.After, text.Before
	}
	for path, text := range c.Layer {
		was, there := before[path]
		if there && was == text {
			continue
		}
		d.Set[path] = text
		if there {
			d.Before[path] = was
		}
	}
	for path, was := range before {
		if _, stays := c.Layer[path]; !stays {
			d.Unset = append(d.Unset, path)
			d.Before[path] = was
		}
	}
	slices.Sort(d.Unset)
	return d
}

// Edit is what is to be changed.
type Edit struct {
	// Set holds texts by path; Unset the paths that are to be what the file, the environment, flags and defaults say.
	Set    map[string]string
	Unset  []string
	Reason string
	Actor  string
	Key    id.AdminKey
}

// merge returns the layer after an edit.
func (e Edit) merge(layer map[string]string) map[string]string {
	after := maps.Clone(layer)
	if after == nil {
		after = map[string]string{}
	}
	for _, path := range e.Unset {
		delete(after, path)
	}
	maps.Copy(after, e.Set)
	return after
}

// takeBack returns the layer without what a change did to it. What the change's file said before is laid over the file.
func (d Delta) takeBack(layer map[string]string) map[string]string {
	after := maps.Clone(layer)
	if after == nil {
		after = map[string]string{}
	}
	for path := range d.Set {
		delete(after, path)
	}
	maps.Copy(after, d.Before)
	return after
}

// Undo takes the newest change that stands back.
type Undo struct {
	// Number, where not zero, is the change that is meant: where another one is the newest that stands nothing is undone, so that an undo
	// may be repeated after its reply was lost.
	Number int64
	Reason string
	Actor  string
	Key    id.AdminKey
}
