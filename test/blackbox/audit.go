package blackbox

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tidegate/tidegate/internal/await"
)

// Invariant is what the audit says of one invariant.
type Invariant struct {
	ID         string `json:"id"`
	OK         bool   `json:"ok"`
	Checked    int64  `json:"checked"`
	Violations []struct {
		Subject string `json:"subject"`
		Detail  string `json:"detail"`
	} `json:"violations"`
}

// audited are the invariants that can be checked from the data.
var audited = []string{"I1", "I2", "I3", "I4", "I5", "I6", "I7", "I9", "I17"}

// Audit runs tidegate audit, which must find nothing. Of the invariants that are named it must also have checked
// something. It returns what was checked, by id.
func (s *Shop) Audit(checked ...string) map[string]Invariant {
	s.T.Helper()
	code, stdout, stderr := s.Run("audit", "--json")
	var report struct {
		OK         bool        `json:"ok"`
		Invariants []Invariant `json:"invariants"`
	}
	if err := json.Unmarshal([]byte(stdout), &report); err != nil {
		s.T.Fatalf("tidegate audit --json: exit %d, %v:\n%s%s", code, err, stdout, stderr)
	}
	found := map[string]Invariant{}
	for _, i := range report.Invariants {
		found[i.ID] = i
		if !i.OK || len(i.Violations) > 0 {
			s.T.Errorf("the audit finds %s violated: %v", i.ID, i.Violations)
		}
	}
	for _, id := range audited {
		if i, there := found[id]; !there || i.Checked == 0 && slices.Contains(checked, id) {
			s.T.Errorf("the audit has not checked %s (%+v)", id, i)
		}
	}
	if code != 0 || !report.OK {
		s.T.Errorf("tidegate audit ended with %d, ok %t: %s", code, report.OK, stderr)
	}
	return found
}

// reconcileEvery is the pause between two questions of Reconciled.
const reconcileEvery = 250 * time.Millisecond

// Reconciled asks tidegate reconcile what it would change, which must be nothing: the gate equals SQL, and SQL the ledger.
// It waits for the gate to follow what was just committed, and asks now and then: each question is a process.
func (s *Shop) Reconciled() {
	s.T.Helper()
	var said string
	defer func() {
		if s.T.Failed() && said != "" {
			s.T.Logf("tidegate reconcile: %s", said)
		}
	}()
	asked := time.Time{}
	await.Until(s.T, "nothing is left to reconcile", func() bool {
		if time.Since(asked) < reconcileEvery {
			return false
		}
		asked = time.Now()
		code, stdout, stderr := s.Run("reconcile", "--json")
		var report struct{ Changes []json.RawMessage }
		if err := json.Unmarshal([]byte(stdout), &report); err != nil {
			s.T.Fatalf("tidegate reconcile --json: exit %d, %v:\n%s%s", code, err, stdout, stderr)
		}
		said = fmt.Sprintf("exit %d, %s%s", code, strings.TrimSpace(stdout), stderr)
		return code == 0 && len(report.Changes) == 0
	})
}
