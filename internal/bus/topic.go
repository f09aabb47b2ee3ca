package bus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Topic is a stream of messages and the groups that read it. Every process that opens a bus names all groups of a
// topic, including those that it does not run, because a message waits for each of them from its publication on.
type Topic struct {
	// Name is lower-case letters, digits and hyphens, at most 40 bytes. The same holds for a group's name.
	Name   string
	Groups []Group
}

// Group is a consumer that may run in several processes: each message is settled once for the whole group.
type Group struct {
	Name string
	// Types are the types that the group wants; empty: all.
	Types []string
	// AnyOrder says that the group does not need the order by key: several processes may work concurrently even if the
	// engine would otherwise use one.
	AnyOrder bool
	// TypesNow, if set, returns the members of Types that the group currently wants. An engine may call it before it
	// reads, to skip unwanted events, or ignore it.
	TypesNow func(context.Context) ([]string, error)
	// BatchMax bounds the messages of one handler call.
	BatchMax int
	// InFlightMax bounds the messages that one process has taken and not settled, including retries that wait in the
	// process.
	InFlightMax int
	// TriesMax is how often a message is tried before it becomes a dead letter.
	TriesMax int
	// FirstDelay is the pause before the second try. Each later one is twice as long, to LongestDelay.
	FirstDelay, LongestDelay time.Duration
	// HandleMax bounds one handler call: its context ends then.
	HandleMax time.Duration
}

// The defaults of a group. A message that fails ten times has been tried for a little over eight minutes.
const (
	batchMax     = 500
	inFlightMax  = 2000
	triesMax     = 10
	firstDelay   = time.Second
	longestDelay = 5 * time.Minute
	handleMax    = 30 * time.Second
	// nameBytesMax keeps the names that engines derive from a topic and a group within every engine's limits.
	nameBytesMax = 40
)

// WithDefaults returns the group with every zero limit set to its default.
func (g Group) WithDefaults() Group {
	def(&g.BatchMax, batchMax)
	def(&g.InFlightMax, max(inFlightMax, g.BatchMax))
	def(&g.TriesMax, triesMax)
	def(&g.FirstDelay, firstDelay)
	def(&g.LongestDelay, max(longestDelay, g.FirstDelay))
	def(&g.HandleMax, handleMax)
	return g
}

func def[T comparable](value *T, otherwise T) {
	var zero T
	if *value == zero {
		*value = otherwise
	}
}

// Delay returns the pause after a failed try; the first try is 1.
func (g Group) Delay(try int) time.Duration {
	pause := g.FirstDelay
	for range try - 1 {
		if pause *= 2; pause >= g.LongestDelay {
			return g.LongestDelay
		}
	}
	return pause
}

// Wants reports whether the group wants messages of a type.
func (g Group) Wants(kind string) bool { return len(g.Types) == 0 || slices.Contains(g.Types, kind) }

// FindGroup returns a topic's group. The error lists the existing ones.
func FindGroup(topics []Topic, topic, group string) (Group, error) {
	for _, t := range topics {
		if t.Name != topic {
			continue
		}
		for _, g := range t.Groups {
			if g.Name == group {
				return g, nil
			}
		}
	}
	return Group{}, fmt.Errorf("the bus was not opened with a group %q of a topic %q", group, topic)
}

// CheckTopics returns the topics with their groups' defaults set, or an error if they are invalid. Every engine's Open
// calls it.
func CheckTopics(topics []Topic) ([]Topic, error) {
	var wrong []error
	checked := make([]Topic, 0, len(topics))
	for _, t := range topics {
		wrong = append(wrong, checkName("topic", t.Name))
		c := Topic{Name: t.Name}
		for _, g := range t.Groups {
			g = g.WithDefaults()
			wrong = append(wrong, checkName("group", g.Name))
			if g.BatchMax < 1 || g.InFlightMax < g.BatchMax || g.TriesMax < 1 || g.FirstDelay < 0 || g.LongestDelay < g.FirstDelay || g.HandleMax < 0 {
				wrong = append(wrong, fmt.Errorf("the limits of the group %q contradict each other", g.Name))
			}
			c.Groups = append(c.Groups, g)
		}
		checked = append(checked, c)
	}
	return checked, errors.Join(wrong...)
}

func checkName(what, name string) error {
	if name == "" || len(name) > nameBytesMax || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		return fmt.Errorf("a %s's name is lower-case letters, digits and hyphens, at most %d bytes, not %q", what, nameBytesMax, name)
	}
	return nil
}
