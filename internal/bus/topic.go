package bus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Topic is a stream of messages and the groups that read it. Every process that opens a bus names all groups of a topic,
// also those that it does not run: a message waits for each of them from the moment it is published.
type Topic struct {
	// Name is lower-case letters, digits and hyphens, at most 40 bytes; so is a group's.
	Name   string
	Groups []Group
}

// Group is a consumer in as many processes as one likes: each message is settled once for the whole group.
type Group struct {
	Name string
	// Types are the types that the group wants; all of them where empty.
	Types []string
	// AnyOrder says that the order by key is of no use to the group: several processes may then work at the same time where
	// the engine would otherwise keep to one.
	AnyOrder bool
	// TypesNow, where set, returns which of Types any message is wanted of at the moment. An engine may ask it before it reads,
	// to save reading what would be applied to nothing, or leave it unasked.
	TypesNow func(context.Context) ([]string, error)
	// BatchMax bounds the messages of one call of the handler.
	BatchMax int
	// InFlightMax bounds the messages that one process has taken and not settled, those that wait for another try
	// included where they wait in the process.
	InFlightMax int
	// TriesMax is how often a message is tried before it becomes a dead letter.
	TriesMax int
	// FirstDelay is the pause before the second try. Each later one is twice as long, to LongestDelay.
	FirstDelay, LongestDelay time.Duration
	// HandleMax bounds one call of the handler: its context ends then.
	HandleMax time.Duration
}

// The defaults of a group: a message that fails ten times has been tried for a little over eight minutes.
const (
	batchMax     = 500
	inFlightMax  = 2000
	triesMax     = 10
	firstDelay   = time.Second
	longestDelay = 5 * time.Minute
	handleMax    = 30 * time.Second
	// nameBytesMax keeps the names that engines make of a topic and a group within the limits of all of them.
	nameBytesMax = 40
)

// WithDefaults returns the group with every limit that is zero set to its default.
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

// Delay returns the pause after a try that failed; the first is 1.
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

// FindGroup returns a topic's group. The error names what there is.
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

// CheckTopics returns the topics with the defaults of their groups set, or what is wrong with them: every engine's Open calls it.
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
