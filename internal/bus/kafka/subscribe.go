package kafka

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tidegate/tidegate/internal/bus"
	"github.com/tidegate/tidegate/internal/bus/broker"
)

// Subscribe implements bus.Bus.
func (b *Bus) Subscribe(ctx context.Context, topic, group string, handle bus.Handler) error {
	g, err := bus.FindGroup(b.topics, topic, group)
	if err != nil {
		return err
	}
	p := broker.Pump{Topic: topic, Group: g, Handle: handle, DeadLetters: b.letters, Log: b.log}
	p.Run(ctx, func(context.Context) (broker.Source, error) { return b.place(topic, g) })
	return nil
}

// partition is a partition of a topic.
type partition struct {
	topic  string
	number int32
}

// place is a member of a group. Partitions change hands only between batches, when all taken messages are settled and
// their offsets stored. So a rebalance loses nothing and repeats nothing.
type place struct {
	bus    *Bus
	topic  string
	group  bus.Group
	client *kgo.Client

	mu sync.Mutex
	// early holds records that are not due yet, by partition, in its order. Their partitions are paused.
	early map[partition][]*kgo.Record
}

var _ broker.Source = (*place)(nil)

const (
	// sessionTimeout is how long a process may be silent before its partitions are reassigned.
	sessionTimeout = 10 * time.Second
	heartbeat      = time.Second
	// pollMax bounds one wait for records.
	pollMax = 2 * time.Second
)

func (b *Bus) place(topic string, g bus.Group) (broker.Source, error) {
	p := &place{bus: b, topic: topic, group: g, early: map[partition][]*kgo.Record{}}
	forget := func(_ context.Context, c *kgo.Client, gone map[string][]int32) { p.forget(c, gone) }
	client, err := kgo.NewClient(b.options(
		kgo.ConsumerGroup(b.groupName(topic, g.Name)), kgo.ConsumeTopics(append(b.retryTopics(topic, g), b.name(topic))...),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.DisableAutoCommit(), kgo.BlockRebalanceOnPoll(),
		kgo.SessionTimeout(sessionTimeout), kgo.HeartbeatInterval(heartbeat), kgo.FetchMaxWait(pollMax/4),
		kgo.OnPartitionsRevoked(forget), kgo.OnPartitionsLost(forget),
	)...)
	if err != nil {
		return nil, fmt.Errorf("the Kafka group %s cannot be configured: %w", b.groupName(topic, g.Name), err)
	}
	p.client = client
	return p, nil
}

// forget drops the early records of partitions that are reassigned to another process, which reads them again.
func (p *place) forget(c *kgo.Client, gone map[string][]int32) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for topic, numbers := range gone {
		for _, n := range numbers {
			delete(p.early, partition{topic, n})
		}
	}
	c.ResumeFetchPartitions(gone)
}

// Receive implements broker.Source. It returns due retries and new messages.
func (p *place) Receive(ctx context.Context, limit int) ([]broker.Received, error) {
	p.client.AllowRebalance()
	wait := pollMax
	if next := p.nextDue(); !next.IsZero() {
		wait = min(wait, max(time.Until(next), time.Millisecond))
	}
	polling, cancel := context.WithTimeout(ctx, wait)
	fetched := p.client.PollRecords(polling, limit)
	cancel()
	if fetched.IsClientClosed() {
		return nil, kgo.ErrClientClosed
	}
	if ctx.Err() != nil {
		return nil, ctx.Err() // its offsets are not stored, so it comes again
	}
	for _, e := range fetched.Errors() {
		if !errors.Is(e.Err, context.DeadlineExceeded) && !errors.Is(e.Err, context.Canceled) {
			return nil, fmt.Errorf("read %s: %w", e.Topic, e.Err)
		}
	}
	return p.sort(fetched.Records()), nil
}

func (p *place) nextDue() (next time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, waiting := range p.early {
		if due := dueOf(waiting[0]); next.IsZero() || due.Before(next) {
			next = due
		}
	}
	return next
}

// sort returns the records that are due, and keeps the others until they are.
func (p *place) sort(fetched []*kgo.Record) []broker.Received {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	var batch []broker.Received
	for at, waiting := range p.early {
		n := 0
		for n < len(waiting) && !dueOf(waiting[n]).After(now) {
			batch = append(batch, taken(waiting[n]))
			n++
		}
		if p.early[at] = waiting[n:]; n == len(waiting) {
			delete(p.early, at)
			p.client.ResumeFetchPartitions(map[string][]int32{at.topic: {at.number}})
		}
	}
	for _, r := range fetched {
		at := partition{r.Topic, r.Partition}
		if len(p.early[at]) == 0 && !dueOf(r).After(now) {
			batch = append(batch, taken(r))
			continue
		}
		if len(p.early[at]) == 0 {
			p.client.PauseFetchPartitions(map[string][]int32{at.topic: {at.number}})
		}
		p.early[at] = append(p.early[at], r)
	}
	return batch
}

func header(r *kgo.Record, name string) (int64, bool) {
	for _, h := range r.Headers {
		if h.Key == name {
			n, err := strconv.ParseInt(string(h.Value), 10, 64)
			return n, err == nil
		}
	}
	return 0, false
}

// dueOf returns when a record is due: a time long past if it does not wait.
func dueOf(r *kgo.Record) time.Time {
	due, _ := header(r, headerDue)
	return time.UnixMilli(due)
}

func taken(r *kgo.Record) broker.Received {
	t := broker.Received{Token: r}
	t.Message = bus.Message{Key: string(r.Key), Payload: r.Value}
	for _, h := range r.Headers {
		if h.Key == headerType {
			t.Type = string(h.Value)
		}
	}
	number, hasID := header(r, headerID)
	at, hasAt := header(r, headerAt)
	t.ID, t.At, t.Try = number, time.UnixMilli(at).UTC(), 1
	if try, ok := header(r, headerTry); ok {
		t.Try = int(try)
	}
	if !hasID || !hasAt {
		t.ID, t.At = r.Offset, r.Timestamp.UTC()
		t.Unreadable = fmt.Sprintf("the record %d of partition %d of %s has not the headers of a message", r.Offset, r.Partition, r.Topic)
	}
	return t
}

// Ack implements broker.Source. It writes retries to the topics of their pauses before it stores the offsets.
func (p *place) Ack(ctx context.Context, batch []broker.Received, verdicts []bus.Verdict) error {
	var again []*kgo.Record
	last := map[partition]*kgo.Record{}
	for i, v := range verdicts {
		t := &batch[i]
		r := t.Token.(*kgo.Record)
		if at := (partition{r.Topic, r.Partition}); last[at] == nil || last[at].Offset < r.Offset {
			last[at] = r
		}
		if v.Outcome != bus.Again && v.Outcome != bus.Held {
			continue
		}
		try := t.Try
		if v.Outcome == bus.Again {
			try++
		}
		pause := p.group.Delay(min(t.Try, max(p.group.TriesMax-1, 1)))
		next := record(p.bus.waiting(p.topic, p.group.Name, pause), &t.Message)
		next.Headers = append(next.Headers, number(headerTry, int64(try)), number(headerDue, time.Now().Add(pause).UnixMilli()))
		again = append(again, next)
	}
	if err := p.bus.produce(ctx, again); err != nil {
		return err
	}
	keep := make([]*kgo.Record, 0, len(last))
	for _, r := range last {
		keep = append(keep, r)
	}
	return p.client.CommitRecords(ctx, keep...)
}

// ExtendLease implements broker.Source. It does nothing, because the library's heartbeats suffice.
func (p *place) ExtendLease([]broker.Received) {}

// Close implements broker.Source.
func (p *place) Close() { p.client.CloseAllowingRebalance() }
