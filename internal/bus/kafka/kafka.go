// Package kafka is the bus over Kafka: a topic for each topic, a consumer group for each group, and a topic for each
// retry delay.
package kafka

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tidegate/tidegate/internal/bus"
	"github.com/tidegate/tidegate/internal/bus/broker"
)

// Config says where the brokers are and how topics are created.
type Config struct {
	// Brokers are some of the cluster's brokers, as host:port.
	Brokers []string
	// Prefix is the prefix of the names of topics and groups.
	Prefix string
	// Partitions and Replicas apply to new topics; existing topics keep theirs.
	Partitions, Replicas int
	// dial replaces the way to connect, so that tests can cut connections.
	dial func(network, address string) (net.Conn, error)
}

var _ bus.Bus = (*Bus)(nil)

// Bus implements bus.Bus. It is safe for concurrent use.
type Bus struct {
	config  Config
	topics  []bus.Topic
	letters bus.DeadLetters
	log     *slog.Logger
	client  *kgo.Client // for queries; consumers have their own clients
	admin   *kadm.Client

	mu       sync.Mutex
	producer *kgo.Client // nil until first needed, and after a failure
	closed   bool
}

const (
	// connectMax bounds the cluster's first answer, and each query.
	connectMax = 10 * time.Second
	// publishMax bounds a publish whose context has no deadline.
	publishMax = 10 * time.Second
	// retention is how long a topic keeps a message, settled or not: Kafka does not know what a group has not read.
	retention = 30 * 24 * time.Hour
)

// Open connects and creates missing topics. It returns an error if no broker answers.
func Open(ctx context.Context, c Config, topics []bus.Topic, letters bus.DeadLetters, log *slog.Logger) (*Bus, error) {
	topics, err := bus.CheckTopics(topics)
	if err != nil {
		return nil, err
	}
	c.Partitions, c.Replicas = max(c.Partitions, 1), max(c.Replicas, 1)
	b := &Bus{config: c, topics: topics, letters: letters, log: log}
	if b.client, err = kgo.NewClient(b.options()...); err != nil {
		return nil, fmt.Errorf("the connection to Kafka cannot be configured: %w", err)
	}
	b.admin = kadm.NewClient(b.client)
	asking, cancel := context.WithTimeout(ctx, connectMax)
	defer cancel()
	if err := b.client.Ping(asking); err != nil {
		b.client.Close()
		return nil, fmt.Errorf("no Kafka broker answers at %s: %w", strings.Join(c.Brokers, ", "), err)
	}
	if err := b.make(asking); err != nil {
		b.client.Close()
		return nil, err
	}
	return b, nil
}

// options returns the options of every client, with more.
func (b *Bus) options(more ...kgo.Opt) []kgo.Opt {
	options := []kgo.Opt{
		kgo.SeedBrokers(b.config.Brokers...), kgo.ClientID("tidegate"), kgo.RetryBackoffFn(func(int) time.Duration { return 250 * time.Millisecond }),
		kgo.MetadataMinAge(250 * time.Millisecond),
	}
	if dial := b.config.dial; dial != nil {
		options = append(options, kgo.Dialer(func(_ context.Context, network, address string) (net.Conn, error) { return dial(network, address) }))
	}
	return append(options, more...)
}

func (b *Bus) name(topic string) string         { return b.config.Prefix + "." + topic }
func (b *Bus) groupName(topic, g string) string { return b.name(topic) + "." + g }

// waiting returns the topic of a group's messages that are retried after the pause.
func (b *Bus) waiting(topic, group string, pause time.Duration) string {
	return b.groupName(topic, group) + ".retry." + strconv.FormatInt(pause.Milliseconds(), 10)
}

// retryTopics lists the topics of a group's pauses. The first also takes redelivered messages.
func (b *Bus) retryTopics(topic string, g bus.Group) []string {
	all := []string{b.waiting(topic, g.Name, g.Delay(1))}
	for try := 2; try < g.TriesMax; try++ {
		if name := b.waiting(topic, g.Name, g.Delay(try)); !slices.Contains(all, name) {
			all = append(all, name)
		}
		if g.Delay(try) == g.LongestDelay {
			break
		}
	}
	return all
}

// make creates missing topics.
func (b *Bus) make(ctx context.Context) error {
	var names []string
	for _, t := range b.topics {
		names = append(names, b.name(t.Name))
		for _, g := range t.Groups {
			names = append(names, b.retryTopics(t.Name, g)...)
		}
	}
	if len(names) == 0 {
		return nil
	}
	keep, inSync := strconv.FormatInt(retention.Milliseconds(), 10), strconv.Itoa(max(b.config.Replicas-1, 1))
	made, err := b.admin.CreateTopics(ctx, int32(b.config.Partitions), int16(b.config.Replicas), map[string]*string{
		"retention.ms": &keep, "min.insync.replicas": &inSync,
	}, names...)
	if err != nil {
		return fmt.Errorf("the Kafka topics cannot be made: %w", err)
	}
	for _, m := range made.Sorted() {
		if m.Err != nil && !errors.Is(m.Err, kerr.TopicAlreadyExists) {
			return fmt.Errorf("the Kafka topic %s cannot be made: %w", m.Topic, m.Err)
		}
	}
	return nil
}

// Durability describes the cluster's durability in one sentence, and reports whether an acknowledged message survives
// the loss of a broker.
func (b *Bus) Durability() (says string, safe bool) {
	ctx, cancel := context.WithTimeout(context.Background(), connectMax)
	defer cancel()
	least := 0
	if len(b.topics) > 0 {
		name := b.name(b.topics[0].Name)
		if all, err := b.admin.ListTopics(ctx, name); err == nil {
			least = all[name].Partitions.NumReplicas()
		}
	}
	if least < 2 {
		return fmt.Sprintf("Kafka keeps %d copy of each message and syncs when it likes: the loss of that broker's power loses messages; make the topics with bus.replicas: 3", least), false
	}
	return fmt.Sprintf("Kafka keeps %d copies of each message and acknowledges when all in sync have it", least), true
}

// Features implements bus.Bus.
func (b *Bus) Features() bus.Features { return bus.Features{} }

// Close implements bus.Bus.
func (b *Bus) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	if b.producer != nil {
		b.producer.Close()
	}
	b.client.Close()
	return nil
}

// sender returns the publishing client, and creates it if necessary. It is idempotent and waits for all in-sync
// replicas. Both are the library's defaults, set here because the shop relies on them.
func (b *Bus) sender() (*kgo.Client, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil, kgo.ErrClientClosed
	}
	if b.producer != nil {
		return b.producer, nil
	}
	var err error
	b.producer, err = kgo.NewClient(b.options(
		kgo.RequiredAcks(kgo.AllISRAcks()), kgo.RecordDeliveryTimeout(publishMax), kgo.ProducerLinger(0), kgo.AllowIdempotentProduceCancellation(),
	)...)
	return b.producer, err
}

// abandon replaces a client after a failed publish. The next client starts a new session, independent of the old one's
// unconfirmed records.
func (b *Bus) abandon(c *kgo.Client) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.producer == c {
		b.producer = nil
		go c.Close() // it may wait for an unavailable broker
	}
}

const (
	headerID   = "tidegate-id"
	headerType = "tidegate-type"
	headerAt   = "tidegate-at"  // milliseconds since 1970
	headerTry  = "tidegate-try" // the next try of a waiting message
	headerDue  = "tidegate-due" // when a waiting message is due, in milliseconds since 1970
)

func record(topic string, m *bus.Message) *kgo.Record {
	r := &kgo.Record{Topic: topic, Value: m.Payload, Headers: []kgo.RecordHeader{
		number(headerID, m.ID), {Key: headerType, Value: []byte(m.Type)}, number(headerAt, m.At.UnixMilli()),
	}}
	if m.Key != "" {
		r.Key = []byte(m.Key)
	}
	return r
}

func number(name string, n int64) kgo.RecordHeader {
	return kgo.RecordHeader{Key: name, Value: strconv.AppendInt(nil, n, 10)}
}

// Publish implements bus.Publisher. It returns ErrUndecided even if no broker was reachable, because the library does
// not say whether it has sent something.
func (b *Bus) Publish(ctx context.Context, topic string, batch []bus.Message) error {
	if !slices.ContainsFunc(b.topics, func(t bus.Topic) bool { return t.Name == topic }) {
		return fmt.Errorf("the bus was not opened with a topic %q", topic)
	}
	records := make([]*kgo.Record, len(batch))
	for i := range batch {
		records[i] = record(b.name(topic), &batch[i])
	}
	return b.produce(ctx, records)
}

// Redeliver implements bus.Bus.
func (b *Bus) Redeliver(ctx context.Context, topic, group string, batch []bus.Message) error {
	g, err := bus.FindGroup(b.topics, topic, group)
	if err != nil {
		return err
	}
	records := make([]*kgo.Record, len(batch))
	for i := range batch {
		records[i] = record(b.waiting(topic, group, g.Delay(1)), &batch[i])
	}
	return b.produce(ctx, records)
}

func (b *Bus) produce(ctx context.Context, records []*kgo.Record) error {
	if len(records) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, publishMax)
	defer cancel()
	c, err := b.sender()
	if err != nil {
		return broker.Refused(false, err)
	}
	if err := c.ProduceSync(ctx, records...).FirstErr(); err != nil {
		b.abandon(c)
		return broker.Refused(true, err)
	}
	return nil
}

// Backlog implements bus.Bus.
func (b *Bus) Backlog(ctx context.Context, topic, group string) (bus.Backlog, error) {
	g, err := bus.FindGroup(b.topics, topic, group)
	if err != nil {
		return bus.Backlog{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, connectMax)
	defer cancel()
	names := append(b.retryTopics(topic, g), b.name(topic))
	ends, err := b.admin.ListEndOffsets(ctx, names...)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return bus.Backlog{}, fmt.Errorf("ask Kafka where its topics end: %w", err)
	}
	starts, err := b.admin.ListStartOffsets(ctx, names...)
	if err == nil {
		err = starts.Error()
	}
	if err != nil {
		return bus.Backlog{}, fmt.Errorf("ask Kafka where its topics begin: %w", err)
	}
	kept, err := b.admin.FetchOffsets(ctx, b.groupName(topic, group))
	if err != nil && !errors.Is(err, kerr.GroupIDNotFound) {
		return bus.Backlog{}, fmt.Errorf("ask Kafka how far the group is: %w", err)
	}
	total := int64(0)
	ends.Each(func(end kadm.ListedOffset) {
		from := int64(0)
		if start, ok := starts.Lookup(end.Topic, end.Partition); ok {
			from = start.Offset
		}
		if at, ok := kept.Lookup(end.Topic, end.Partition); ok && at.Err == nil && at.At > from {
			from = at.At
		}
		total += end.Offset - from
	})
	return bus.Backlog{Messages: total}, nil
}
