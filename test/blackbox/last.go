package blackbox

import (
	"fmt"
	"strings"
	"sync"
	"time"
)

// lastAnswers remembers what a shop answered last, for whoever reads why a test failed: what a wait saw before it gave up, too.
// It is safe for concurrent use.
type lastAnswers struct {
	mu   sync.Mutex
	next int
	ring [8]string
}

// answerBytesShown bounds what is remembered of an answer.
const answerBytesShown = 400

// note remembers an answer and returns it.
func (l *lastAnswers) note(method, address string, a Answer) Answer {
	said := a.String()
	line := fmt.Sprintf("%s %s %s: %s\n", time.Now().UTC().Format("15:04:05.000"), method, address, said[:min(len(said), answerBytesShown)])
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ring[l.next%len(l.ring)] = line
	l.next++
	return a
}

// String returns the answers, a line each, the latest last.
func (l *lastAnswers) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var b strings.Builder
	for i := range l.ring {
		b.WriteString(l.ring[(l.next+i)%len(l.ring)])
	}
	return b.String()
}
