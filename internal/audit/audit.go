// Package audit checks from the data what must hold in a shop, and repairs what is derived from the ledger. It owns
// neither the data nor its rules of change: it reads what the modules below it have written and says where that
// contradicts itself.
package audit

import (
	"fmt"
	"time"
)

// violationsMax bounds the violations that a report lists for one invariant. It counts all of them.
const violationsMax = 100

// Report is what an audit found.
type Report struct {
	OK         bool
	At         time.Time
	Invariants []Invariant // in the order of their ids
}

// Invariant is one thing that must hold, and how it was found.
type Invariant struct {
	ID         string
	Title      string
	OK         bool
	Checked    int64       // things looked at
	Found      int64       // violations in all
	Violations []Violation // the first violationsMax of them
	Note       string      // what could not be told from the data
}

// Violation is one thing that does not hold.
type Violation struct {
	Subject string // what it is about, such as "order 7240126464000001"
	Detail  string
}

// The invariants that can be told from the data. The others (the gate, the publishing of events, what an answer said) are
// the business of reconcile and of the tests.
const (
	i1 = iota
	i2
	i3
	i4
	i5
	i6
	i7
	i9
	i17
	invariants
)

// invariantList returns the invariants, before anything was looked at.
func invariantList() [invariants]Invariant {
	return [invariants]Invariant{
		i1: {ID: "I1", Title: "Sold never exceeds stock"},
		i2: {ID: "I2", Title: "Every accepted order can be read"},
		i3: {ID: "I3", Title: "One order for one customer and key"},
		i4: {ID: "I4", Title: "The ledger's sums are the stock rows"},
		i5: {ID: "I5", Title: "Money and orders agree"},
		i6: {ID: "I6", Title: "Closing gives stock back exactly once"},
		i7: {ID: "I7", Title: "No customer exceeds the limit"},
		i9: {ID: "I9", Title: "Orders move along legal edges"},

		i17: {ID: "I17", Title: "What is not sold takes no orders"},
	}
}

// findings collects what one audit finds.
type findings [invariants]Invariant

// saw counts things looked at.
func (f *findings) saw(invariant int, n int64) { f[invariant].Checked += n }

// violated notes a violation. Its detail is made only where it is kept.
func (f *findings) violated(invariant int, subject fmt.Stringer, format string, args ...any) {
	inv := &f[invariant]
	inv.Found++
	if len(inv.Violations) < violationsMax {
		inv.Violations = append(inv.Violations, Violation{subject.String(), fmt.Sprintf(format, args...)})
	}
}

// note adds a sentence about what could not be told.
func (f *findings) note(invariant int, format string, args ...any) {
	inv := &f[invariant]
	if inv.Note != "" {
		inv.Note += " "
	}
	inv.Note += fmt.Sprintf(format, args...)
}

func (f *findings) report(at time.Time) Report {
	r := Report{OK: true, At: at, Invariants: f[:]}
	for i := range r.Invariants {
		inv := &r.Invariants[i]
		inv.OK = inv.Found == 0
		r.OK = r.OK && inv.OK
	}
	return r
}
