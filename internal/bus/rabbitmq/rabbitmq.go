// Package rabbitmq is the bus over RabbitMQ: an exchange for each topic, a quorum queue for each group, and a confirm
// for every message. Retries wait in queues whose messages expire back into the group's own queue.
package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/tidegate/tidegate/internal/bus"
)

// Config says where the broker is.
type Config struct {
	// URL is the broker, such as amqp://user:password@host:5672/vhost, or amqps://.
	URL string
	// Prefix is the prefix of the names of exchanges and queues.
	Prefix string
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

	mu      sync.Mutex
	conn    *amqp.Connection // nil: none, or lost
	version string
	idle    []*publisher
	closed  bool
	inHand  map[string]*atomic.Int64 // by queue: messages that this process has taken and not settled
}

const (
	// connectMax bounds the opening of a connection.
	connectMax = 5 * time.Second
	// heartbeat is the heartbeat interval: a dead connection is noticed within two of them.
	heartbeat = 5 * time.Second
	// publishMax bounds a publish whose context has no deadline.
	publishMax = 10 * time.Second
	// publishersMax bounds the pooled publishing channels: that many concurrent publishes need no new channel.
	publishersMax = 8
	// batchMax bounds the messages published before their confirms are awaited.
	batchMax = 2048
)

// Open connects and creates missing exchanges and queues. It returns an error if no broker answers, if it is too old,
// or if a queue exists with other settings.
func Open(ctx context.Context, c Config, topics []bus.Topic, letters bus.DeadLetters, log *slog.Logger) (*Bus, error) {
	topics, err := bus.CheckTopics(topics)
	if err != nil {
		return nil, err
	}
	b := &Bus{config: c, topics: topics, letters: letters, log: log, inHand: map[string]*atomic.Int64{}}
	if _, err := b.connection(ctx); err != nil {
		return nil, err
	}
	return b, nil
}

// nameless returns the address of a URL without user and password.
func nameless(url string) string {
	if u, err := amqp.ParseURI(url); err == nil {
		return net.JoinHostPort(u.Host, strconv.Itoa(u.Port))
	}
	return "the configured address"
}

// connection returns the open connection, or opens one.
func (b *Bus) connection(context.Context) (*amqp.Connection, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil, amqp.ErrClosed
	}
	if b.conn != nil && !b.conn.IsClosed() {
		return b.conn, nil
	}
	b.conn, b.idle = nil, nil
	dial := b.config.dial
	if dial == nil {
		dial = amqp.DefaultDial(connectMax)
	}
	conn, err := amqp.DialConfig(b.config.URL, amqp.Config{
		Heartbeat: heartbeat, Dial: dial, Properties: amqp.Table{"connection_name": "tidegate", "product": "tidegate"},
	})
	if err != nil {
		return nil, fmt.Errorf("RabbitMQ at %s does not answer, or refuses the login: %w", nameless(b.config.URL), err)
	}
	b.version, _ = conn.Properties["version"].(string)
	if err := b.make(conn); err != nil {
		_ = conn.Close()
		return nil, err
	}
	b.conn = conn
	return conn, nil
}

func (b *Bus) exchange(topic string) string { return b.config.Prefix + "." + topic }
func (b *Bus) queue(topic, group string) string {
	return b.config.Prefix + "." + topic + "." + group
}

func (b *Bus) waiting(topic, group string, pause time.Duration) string {
	return b.queue(topic, group) + ".retry." + strconv.FormatInt(pause.Milliseconds(), 10)
}

// pauses lists the pauses of a group, each once.
func pauses(g bus.Group) []time.Duration {
	var all []time.Duration
	for try := 1; try < g.TriesMax; try++ {
		all = append(all, g.Delay(try))
		if g.Delay(try) == g.LongestDelay {
			break
		}
	}
	return all
}

// make creates missing exchanges and queues.
func (b *Bus) make(conn *amqp.Connection) error {
	if older(b.version, 3, 10) {
		return fmt.Errorf("RabbitMQ %s is too old: quorum queues whose messages expire need 3.10", b.version)
	}
	ch, err := conn.Channel()
	if err != nil {
		return err
	}
	defer func() { _ = ch.Close() }()
	for _, t := range b.topics {
		if err := ch.ExchangeDeclare(b.exchange(t.Name), amqp.ExchangeTopic, true, false, false, false, nil); err != nil {
			return fmt.Errorf("the RabbitMQ exchange %s cannot be made, or has other settings: %w", b.exchange(t.Name), err)
		}
		for _, g := range t.Groups {
			if err := b.makeGroup(ch, t.Name, g); err != nil {
				return fmt.Errorf("the RabbitMQ queue %s cannot be made, or has other settings: %w", b.queue(t.Name, g.Name), err)
			}
		}
	}
	return nil
}

func (b *Bus) makeGroup(ch *amqp.Channel, topic string, g bus.Group) error {
	name := b.queue(topic, g.Name)
	if b.inHand[name] == nil {
		b.inHand[name] = new(atomic.Int64)
	}
	if _, err := ch.QueueDeclare(name, true, false, false, false, amqp.Table{
		amqp.QueueTypeArg: amqp.QueueTypeQuorum,
		// Serving one consumer at a time keeps the order by key. If it ends, the next takes over.
		amqp.SingleActiveConsumerArg: !g.AnyOrder,
	}); err != nil {
		return err
	}
	if err := ch.ExchangeDeclare(b.asking(topic, g.Name), amqp.ExchangeFanout, true, false, false, false, nil); err != nil {
		return err
	}
	types := g.Types
	if len(types) == 0 {
		types = []string{"#"}
	}
	for _, kind := range types {
		if err := ch.QueueBind(name, kind, b.exchange(topic), false, nil); err != nil {
			return err
		}
	}
	for _, pause := range pauses(g) {
		if _, err := ch.QueueDeclare(b.waiting(topic, g.Name, pause), true, false, false, false, amqp.Table{
			amqp.QueueTypeArg: amqp.QueueTypeQuorum, amqp.QueueMessageTTLArg: pause.Milliseconds(),
			"x-dead-letter-exchange": "", "x-dead-letter-routing-key": name,
			// A message leaves only when the group's queue has it.
			"x-dead-letter-strategy": "at-least-once", amqp.QueueOverflowArg: amqp.QueueOverflowRejectPublish,
		}); err != nil {
			return err
		}
	}
	return nil
}

// older reports whether a version is before major.minor. It is false for an unreadable version.
func older(version string, major, minor int) bool {
	var a, b int
	if n, _ := fmt.Sscanf(version, "%d.%d", &a, &b); n != 2 {
		return false
	}
	return a < major || a == major && b < minor
}

// Durability describes the broker's durability in one sentence, and reports whether a confirmed message survives a
// power failure.
func (b *Bus) Durability() (says string, safe bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return fmt.Sprintf("RabbitMQ %s keeps messages in quorum queues: it confirms one when a majority of the nodes has synced it", b.version), true
}

// Features implements bus.Bus.
func (b *Bus) Features() bus.Features { return bus.Features{ForgetsAcks: true} }

// Close implements bus.Bus.
func (b *Bus) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	if b.conn == nil || b.conn.IsClosed() {
		return nil
	}
	if err := b.conn.Close(); err != nil && !errors.Is(err, amqp.ErrClosed) {
		return fmt.Errorf("close the connection to RabbitMQ: %w", err)
	}
	return nil
}
