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

// A claim is sent immediately if no request of its partition is running. Claims that arrive meanwhile share the next
// request, as orders share a commit. Each claim waits for one round trip of its own, and Redis handles them in one
// script.

// The bounds of one request: half a millisecond of Redis time.
const (
	batchClaimsMax = 64
	batchArgsMax   = 2000
)

// batchesInFlightMax is the number of parallel requests of one partition in one process. While a reply is on its way
// back, Redis already has the next request.
const batchesInFlightMax = 2

// claimQueue holds the unsent claims of one partition.
type claimQueue struct {
	mu       sync.Mutex
	waiting  []*pendingClaim
	inFlight int
}

// pendingClaim is a claim whose caller awaits the reply.
type pendingClaim struct {
	args      []string // encoded for reserve.lua
	queuedAt  time.Time
	reply     reply
	err       error
	done      chan struct{} // signalled by the sender
	abandoned bool          // the caller has left: the claim need not be sent
}

// errQueueTimeout says that a claim waited too long and was not sent to Redis.
var errQueueTimeout = errors.New("the gate was not asked in time")

var pendingClaimPool = sync.Pool{New: func() any { return &pendingClaim{done: make(chan struct{}, 1)} }}

// enqueue sends a claim's lines in one partition and waits for the reply or the end of ctx. An error leaves open
// whether they were reserved.
func (g *Gate) enqueue(ctx context.Context, t *epoch, r *partition, c *inventory.Claim, lines []inventory.Line) (reply, error) {
	a := pendingClaimPool.Get().(*pendingClaim)
	a.args, a.queuedAt, a.reply, a.err = appendClaim(a.args[:0], c, lines), time.Now(), reply{}, nil
	q := &r.claimQueue
	q.mu.Lock()
	q.waiting = append(q.waiting, a)
	start := q.inFlight < batchesInFlightMax
	if start {
		q.inFlight++
	}
	q.mu.Unlock()
	if start {
		go g.sendBatches(t, r)
	}
	select {
	case <-a.done:
	case <-ctx.Done():
		q.mu.Lock()
		a.abandoned = true
		q.mu.Unlock()
		return reply{}, ctx.Err() // not returned to the pool: it may still be in a request
	}
	p, err := a.reply, a.err
	pendingClaimPool.Put(a)
	return p, err
}

// sendBatches sends waiting claims until none is left.
func (g *Gate) sendBatches(t *epoch, r *partition) {
	var batch []*pendingClaim
	for {
		// Yield once, so that goroutines that can run now may join the batch.
		runtime.Gosched()
		batch = r.claimQueue.next(batch[:0], g.config.AskTimeout)
		if len(batch) == 0 {
			return
		}
		g.sendBatch(t, r, batch)
		for _, a := range batch {
			a.done <- struct{}{}
		}
	}
}

// next returns the claims of the next request. It returns none when no claim waits; the caller then stops. Claims that
// waited longer than patience get errQueueTimeout.
func (q *claimQueue) next(batch []*pendingClaim, patience time.Duration) []*pendingClaim {
	q.mu.Lock()
	defer q.mu.Unlock()
	args, taken := 0, 0
	for _, a := range q.waiting {
		if len(batch) == batchClaimsMax || args > batchArgsMax {
			break
		}
		taken++
		switch {
		case a.abandoned:
		case time.Since(a.queuedAt) > patience:
			a.err = errQueueTimeout
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
		q.inFlight--
	}
	return batch
}

// sendBatch sends one request for a batch and stores the replies.
func (g *Gate) sendBatch(t *epoch, r *partition, batch []*pendingClaim) {
	ctx, cancel := context.WithTimeout(context.Background(), g.config.AskTimeout)
	defer cancel()
	n := 2
	for _, a := range batch {
		n += len(a.args)
	}
	args := append(make([]string, 0, n), t.text, r.ordersMax)
	for _, a := range batch {
		args = append(args, a.args...)
	}
	if err := readReplies(reserveScript.Exec(ctx, g.client, r.reserve, args), batch); err != nil {
		for _, a := range batch {
			a.err = err
		}
	}
}

// appendClaim encodes a claim for reserve.lua. The arguments are slices of a single string.
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

// readReplies decodes the answer of reserve.lua.
func readReplies(r rueidis.RedisResult, batch []*pendingClaim) error {
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

// readVerdict decodes a verdict and its details.
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
	case inventory.Replay, inventory.KeyReused:
		p.order, p.deadline = id.Order(numbers[1]), numbers[2]
	case inventory.SoldOut, inventory.NotLoaded:
		p.sku, p.left = id.SKU(numbers[1]), numbers[2]
	}
	return p, nil
}
