package gate

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"sync"
	"time"

	"github.com/redis/rueidis"

	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/id"
)

// A claim is asked at once where no question of its room is under way. Those that come meanwhile are asked together with the
// next one, as orders are committed together: each still waits for one round trip of its own, and Redis looks at the room once
// for all of them.

// How much one question holds: half a millisecond of Redis.
const (
	claimsMax = 64
	argsMax   = 2000
)

// questionsMax is how many questions of a room a process has under way: while one is on its way back, Redis has the next.
const questionsMax = 2

// asking holds the claims of one room that wait to be asked.
type asking struct {
	mu       sync.Mutex
	waiting  []*asked
	underWay int
}

// asked is a claim and the one who waits for its answer.
type asked struct {
	args  []string // as reserve.lua takes them
	since time.Time
	reply reply
	err   error
	done  chan struct{} // a place for the one who answers
	left  bool          // nobody waits any more: it need not be asked
}

// errNotAsked is what a claim gets that waited too long for its turn: Redis was not asked for it.
var errNotAsked = errors.New("the gate was not asked in time")

var askedPool = sync.Pool{New: func() any { return &asked{done: make(chan struct{}, 1)} }}

// ask asks for a claim's lines in one room and waits for the answer, or until ctx ends. An error leaves open whether they were
// reserved.
func (g *Gate) ask(ctx context.Context, t *term, r *room, c *inventory.Claim, lines []inventory.Line) (reply, error) {
	a := askedPool.Get().(*asked)
	a.args, a.since, a.reply, a.err = appendClaim(a.args[:0], c, lines), time.Now(), reply{}, nil
	q := &r.asking
	q.mu.Lock()
	q.waiting = append(q.waiting, a)
	start := q.underWay < questionsMax
	if start {
		q.underWay++
	}
	q.mu.Unlock()
	if start {
		go g.askOn(t, r)
	}
	select {
	case <-a.done:
	case <-ctx.Done():
		q.mu.Lock()
		a.left = true
		q.mu.Unlock()
		return reply{}, ctx.Err() // the pool does not get it back: it may be on its way
	}
	p, err := a.reply, a.err
	askedPool.Put(a)
	return p, err
}

// askOn asks for whoever waits, until nobody does.
func (g *Gate) askOn(t *term, r *room) {
	var batch []*asked
	for {
		// Whoever can run now may still join.
		runtime.Gosched()
		batch = r.asking.next(batch[:0], g.config.AskTimeout)
		if len(batch) == 0 {
			return
		}
		g.askAll(t, r, batch)
		for _, a := range batch {
			a.done <- struct{}{}
		}
	}
}

// next takes those who are asked together; none where nobody waits, and then the caller no longer asks. Who has waited too
// long for a turn is told so.
func (q *asking) next(batch []*asked, patience time.Duration) []*asked {
	q.mu.Lock()
	defer q.mu.Unlock()
	args, taken := 0, 0
	for _, a := range q.waiting {
		if len(batch) == claimsMax || args > argsMax {
			break
		}
		taken++
		switch {
		case a.left:
		case time.Since(a.since) > patience:
			a.err = errNotAsked
			a.done <- struct{}{}
		default:
			batch = append(batch, a)
			args += len(a.args)
		}
	}
	rest := copy(q.waiting, q.waiting[taken:])
	clear(q.waiting[rest:])
	q.waiting = q.waiting[:rest]
	if len(batch) == 0 {
		q.underWay--
	}
	return batch
}

// askAll asks one question for all of a batch and notes the answers.
func (g *Gate) askAll(t *term, r *room, batch []*asked) {
	ctx, cancel := context.WithTimeout(context.Background(), g.config.AskTimeout)
	defer cancel()
	n := 2
	for _, a := range batch {
		n += len(a.args)
	}
	args := append(make([]string, 0, n), t.epoch, r.ordersMax)
	for _, a := range batch {
		args = append(args, a.args...)
	}
	if err := readReplies(reserveScript.Exec(ctx, g.client, r.reserve, args), batch); err != nil {
		for _, a := range batch {
			a.err = err
		}
	}
}

// appendClaim appends a claim as reserve.lua takes it. All of it is parts of one text.
func appendClaim(args []string, c *inventory.Claim, lines []inventory.Line) []string {
	key := inventory.KeyDigest(c.Key)
	var room [256]byte
	b := strconv.AppendInt(room[:0], int64(c.Customer), 10)
	who := len(b)
	b = append(append(b, ':'), key[:]...)
	mine := len(b)
	b = append(b, c.Body[:]...)
	b = strconv.AppendInt(b, int64(c.Order), 10)
	value := len(b)
	b = append(strconv.AppendInt(b, c.Deadline, 10), ' ')
	b = append(strconv.AppendInt(b, int64(c.Customer), 10), ' ')
	first := len(b)
	b = appendLines(b, lines)
	b = append(append(b, ' '), key[:]...)
	all := string(b)
	args = append(args, all[:who], all[:mine], all[mine:value], all[value:], strconv.Itoa(len(lines)))
	for at := first; len(lines) > 0; lines = lines[1:] {
		colon := at
		for all[colon] != ':' {
			colon++
		}
		comma := colon
		for all[comma] != ',' {
			comma++
		}
		args = append(args, all[at:colon], all[colon+1:comma])
		at = comma + 1
	}
	return args
}

// readReplies reads the answer of reserve.lua.
func readReplies(r rueidis.RedisResult, batch []*asked) error {
	m, err := r.ToMessage()
	if err != nil {
		return err
	}
	if m.IsInt64() {
		n, err := m.AsInt64()
		for _, a := range batch {
			a.reply = reply{number: n, verdict: inventory.Reserved}
		}
		return err
	}
	all, err := m.ToArray()
	if err != nil {
		return err
	}
	if len(all) != len(batch)+2 {
		return fmt.Errorf("the gate's script has answered %d of %d claims", len(all)-2, len(batch))
	}
	version, err := all[0].ToString()
	if err != nil {
		return err
	}
	holders, err := all[1].AsInt64()
	if err != nil {
		return err
	}
	for i, a := range batch {
		if a.reply, err = readVerdict(&all[i+2]); err != nil {
			return err
		}
		a.reply.version, a.reply.holders = version, holders
	}
	return nil
}

// readVerdict reads a verdict and what belongs to it.
func readVerdict(m *rueidis.RedisMessage) (p reply, err error) {
	if m.IsInt64() {
		n, err := m.AsInt64()
		p.verdict = inventory.Verdict(n)
		return p, err
	}
	parts, err := m.ToArray()
	if err != nil {
		return p, err
	}
	var numbers [3]int64
	for i := range min(len(parts), len(numbers)) {
		if numbers[i], err = parts[i].AsInt64(); err != nil {
			return p, fmt.Errorf("an answer of the gate's script cannot be read: %w", err)
		}
	}
	p.verdict = inventory.Verdict(numbers[0])
	switch p.verdict {
	case inventory.Same, inventory.OtherBody:
		p.order = id.Order(numbers[1])
	case inventory.SoldOut, inventory.NotLoaded:
		p.sku, p.left = id.SKU(numbers[1]), numbers[2]
	}
	return p, nil
}
