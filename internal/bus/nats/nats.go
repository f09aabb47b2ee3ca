// Package nats is the bus over NATS JetStream: a stream in files for each topic, a durable consumer for each group,
// deduplication by id, and retries by delayed negative acknowledgements.
package nats

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/tidegate/tidegate/internal/bus"
	"github.com/tidegate/tidegate/internal/bus/broker"
)

// Config says where the servers are and how streams are created.
type Config struct {
	// URLs are the servers, such as nats://user:password@host:4222, separated by commas.
	URLs string
	// Prefix is the prefix of the names of streams and subjects: letters, digits, hyphens and underscores.
	Prefix string
	// Replicas is the number of replicas of each stream: 1, 3 or 5.
	Replicas int
	// dial replaces the way to connect, so that tests can cut connections.
	dial func(network, address string) (net.Conn, error)
	// ackWait replaces the constant in tests.
	ackWait time.Duration
}

var _ bus.Bus = (*Bus)(nil)

// Bus implements bus.Bus. It is safe for concurrent use.
type Bus struct {
	config  Config
	topics  []bus.Topic
	letters bus.DeadLetters
	log     *slog.Logger
	conn    *nats.Conn
	js      jetstream.JetStream

	mu        sync.Mutex
	uncounted map[tried]int // deliveries that do not count as tries, of messages that wait for the next
}

// tried is a message of a group.
type tried struct {
	group    string
	sequence uint64
}

const (
	// connectMax bounds the first connection, and each query to the server.
	connectMax = 5 * time.Second
	// reconnectEvery is the pause between attempts to reach an unavailable server.
	reconnectEvery = 250 * time.Millisecond
	// ackWait is how long the server waits for a silent process before it gives its message to another. A message may
	// rest that long after a crash, unless Reclaim is called. holdEvery is the interval of ExtendLease during a batch.
	ackWait   = 10 * time.Second
	holdEvery = 3 * time.Second
	// publishMax bounds a publish whose context has no deadline.
	publishMax = 10 * time.Second
	// inFlightMax bounds the published messages without acknowledgement.
	inFlightMax = 4096
)

const (
	headerKey  = "Tidegate-Key"
	headerType = "Tidegate-Type"
	headerID   = "Tidegate-Id"
	headerAt   = "Tidegate-At" // milliseconds since 1970
)

// Open connects and creates missing streams and consumers. It returns an error if no server answers, or if an existing
// stream has settings that could lose messages.
func Open(ctx context.Context, c Config, topics []bus.Topic, letters bus.DeadLetters, log *slog.Logger) (*Bus, error) {
	topics, err := bus.CheckTopics(topics)
	if err != nil {
		return nil, err
	}
	b := &Bus{config: c, topics: topics, letters: letters, log: log, uncounted: map[tried]int{}}
	options := []nats.Option{
		nats.Name("tidegate"), nats.Timeout(connectMax), nats.MaxReconnects(-1), nats.ReconnectWait(reconnectEvery),
		nats.ReconnectBufSize(-1), // refuse what cannot be sent; do not buffer it in memory
		nats.PingInterval(5 * time.Second), nats.MaxPingsOutstanding(2),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) { log.Warn("the connection to NATS is lost", "error", err) }),
		nats.ReconnectHandler(func(*nats.Conn) { log.Info("connected to NATS again") }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { log.Warn("NATS reports an error", "error", err) }),
	}
	if c.dial != nil {
		options = append(options, nats.SetCustomDialer(dialer(c.dial)))
	}
	if b.conn, err = nats.Connect(c.URLs, options...); err != nil {
		return nil, fmt.Errorf("no NATS server answers at %s: %w", nameless(c.URLs), err)
	}
	b.js, err = jetstream.New(b.conn, jetstream.WithPublishAsyncMaxPending(inFlightMax), jetstream.WithDefaultTimeout(connectMax))
	if err == nil {
		err = b.make(ctx)
	}
	if err != nil {
		b.conn.Close()
		return nil, err
	}
	return b, nil
}

// nameless returns the addresses without users and passwords.
func nameless(urls string) string {
	all := strings.Split(urls, ",")
	for i, u := range all {
		if at := strings.LastIndexByte(u, '@'); at >= 0 {
			all[i] = u[at+1:]
		}
	}
	return strings.Join(all, ",")
}

type dialer func(network, address string) (net.Conn, error)

// Dial implements nats.CustomDialer.
func (d dialer) Dial(network, address string) (net.Conn, error) { return d(network, address) }

func (b *Bus) stream(topic string) string { return b.config.Prefix + "_" + topic }

// subject is the subject of messages to all groups; to is that of messages to one group.
func (b *Bus) subject(topic string) string   { return b.config.Prefix + "." + topic + ".all" }
func (b *Bus) to(topic, group string) string { return b.config.Prefix + "." + topic + ".to." + group }

// make creates missing streams and consumers.
func (b *Bus) make(ctx context.Context) error {
	for _, t := range b.topics {
		s, err := b.js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
			Name: b.stream(t.Name), Subjects: []string{b.config.Prefix + "." + t.Name + ".>"},
			Storage: jetstream.FileStorage, Replicas: max(b.config.Replicas, 1),
			// A message is deleted when every group has settled it, and not before, however old it is.
			Retention: jetstream.InterestPolicy, Discard: jetstream.DiscardNew, Duplicates: 2 * time.Minute,
		})
		if err != nil {
			return fmt.Errorf("the NATS stream %s cannot be made, or has other settings: %w", b.stream(t.Name), err)
		}
		if got := s.CachedInfo().Config; got.Storage != jetstream.FileStorage {
			return fmt.Errorf("the NATS stream %s is in memory, which would lose orders: delete it, so that it is made in files", got.Name)
		}
		for _, g := range t.Groups {
			if err := b.makeConsumer(ctx, t.Name, g, b.ackWait()); err != nil {
				return err
			}
		}
	}
	_, err := b.holders(ctx)
	return err
}

func (b *Bus) ackWait() time.Duration { return cmp.Or(b.config.ackWait, ackWait) }

func (b *Bus) makeConsumer(ctx context.Context, topic string, g bus.Group, wait time.Duration) error {
	_, err := b.js.CreateOrUpdateConsumer(ctx, b.stream(topic), jetstream.ConsumerConfig{
		Durable: g.Name, AckPolicy: jetstream.AckExplicitPolicy, AckWait: wait, MaxDeliver: -1, MaxAckPending: g.InFlightMax,
	})
	if err != nil {
		return fmt.Errorf("the NATS consumer %s of %s cannot be made: %w", g.Name, b.stream(topic), err)
	}
	return nil
}

// How Reclaim makes the server check unacknowledged messages: it does so 100 ms after a change of ackWait.
const (
	reclaimWait  = 100 * time.Millisecond
	reclaimPause = 400 * time.Millisecond
)

// Reclaim makes NATS redeliver unacknowledged messages now, instead of after ackWait. Call it when a process starts and
// knows that it is alone: then only dead processes have such messages. If one is alive after all, its messages are
// delivered twice.
func (b *Bus) Reclaim(ctx context.Context, topic, group string) error {
	g, err := bus.FindGroup(b.topics, topic, group)
	if err != nil {
		return err
	}
	if err := b.makeConsumer(ctx, topic, g, reclaimWait); err != nil {
		return err
	}
	pause := time.NewTimer(reclaimPause)
	defer pause.Stop()
	select {
	case <-pause.C:
	case <-ctx.Done():
	}
	return b.makeConsumer(context.WithoutCancel(ctx), topic, g, b.ackWait())
}

// Durability describes the server's durability in one sentence, and reports whether an acknowledged message survives a
// power failure.
func (b *Bus) Durability() (says string, safe bool) {
	version := b.conn.ConnectedServerVersion()
	if replicas := max(b.config.Replicas, 1); replicas > 1 {
		return fmt.Sprintf("NATS %s keeps %d copies of each message in files; the loss of one server loses nothing", version, replicas), true
	}
	if older(version, 2, 10) {
		return fmt.Sprintf("NATS %s acknowledges before it syncs (every two minutes, and it cannot sync always): it survives its process, and not the loss of power", version), false
	}
	return fmt.Sprintf("NATS %s keeps one copy and does not say whether it syncs always: set jetstream.sync_interval: always on the server, or bus.replicas to 3, to survive the loss of power", version), false
}

// older reports whether a version is before major.minor. It is false for an unreadable version.
func older(version string, major, minor int) bool {
	var a, b int
	if n, _ := fmt.Sscanf(version, "%d.%d", &a, &b); n != 2 {
		return false
	}
	return a < major || a == major && b < minor
}

// Features implements bus.Bus.
func (b *Bus) Features() bus.Features { return bus.Features{Deduplicates: true, ForgetsAcks: true} }

// Close implements bus.Bus.
func (b *Bus) Close() error {
	b.conn.Close()
	return nil
}

// Publish implements bus.Publisher. It sends the batch without waiting in between, and every message is acknowledged.
func (b *Bus) Publish(ctx context.Context, topic string, batch []bus.Message) error {
	if _, err := b.topic(topic); err != nil {
		return err
	}
	return b.send(ctx, b.subject(topic), batch, true)
}

// Redeliver implements bus.Bus.
func (b *Bus) Redeliver(ctx context.Context, topic, group string, batch []bus.Message) error {
	if _, err := bus.FindGroup(b.topics, topic, group); err != nil {
		return err
	}
	return b.send(ctx, b.to(topic, group), batch, false)
}

func (b *Bus) topic(name string) (bus.Topic, error) {
	for _, t := range b.topics {
		if t.Name == name {
			return t, nil
		}
	}
	return bus.Topic{}, fmt.Errorf("the bus was not opened with a topic %q", name)
}

func (b *Bus) send(ctx context.Context, subject string, batch []bus.Message, deduplicated bool) error {
	ctx, cancel := context.WithTimeout(ctx, publishMax)
	defer cancel()
	acks := make([]jetstream.PubAckFuture, 0, len(batch))
	for i := range batch {
		m := &batch[i]
		msg := &nats.Msg{Subject: subject, Data: m.Payload, Header: nats.Header{
			headerID: {strconv.FormatInt(m.ID, 10)}, headerType: {m.Type}, headerAt: {strconv.FormatInt(m.At.UnixMilli(), 10)},
		}}
		if m.Key != "" {
			msg.Header[headerKey] = []string{m.Key}
		}
		// A retry by the library would come after later messages.
		options := []jetstream.PublishOpt{jetstream.WithRetryAttempts(0)}
		if deduplicated {
			options = append(options, jetstream.WithMsgID(strconv.FormatInt(m.ID, 10)))
		}
		ack, err := b.js.PublishMsgAsync(msg, options...)
		if err != nil {
			return broker.Refused(i > 0 || sentAnyway(err), err)
		}
		acks = append(acks, ack)
	}
	for _, ack := range acks {
		select {
		case <-ack.Ok():
		case err := <-ack.Err():
			return broker.Refused(true, err)
		case <-ctx.Done():
			return broker.Refused(true, ctx.Err())
		}
	}
	return nil
}

// sentAnyway reports whether a failed publish may have left the process.
func sentAnyway(err error) bool {
	return !errors.Is(err, nats.ErrConnectionClosed) && !errors.Is(err, nats.ErrConnectionReconnecting) && !errors.Is(err, nats.ErrReconnectBufExceeded) &&
		!errors.Is(err, nats.ErrMaxPayload) && !errors.Is(err, jetstream.ErrTooManyStalledMsgs)
}

// Backlog implements bus.Bus. It counts what the group has not settled, including messages for other groups.
func (b *Bus) Backlog(ctx context.Context, topic, group string) (bus.Backlog, error) {
	if _, err := bus.FindGroup(b.topics, topic, group); err != nil {
		return bus.Backlog{}, err
	}
	c, err := b.js.Consumer(ctx, b.stream(topic), group)
	if err != nil {
		return bus.Backlog{}, fmt.Errorf("ask NATS for the backlog of %s: %w", group, err)
	}
	info := c.CachedInfo()
	return bus.Backlog{Messages: int64(info.NumPending) + int64(info.NumAckPending)}, nil
}
