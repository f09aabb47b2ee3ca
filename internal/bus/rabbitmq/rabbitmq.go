// Package rabbitmq is the bus over RabbitMQ: an exchange for each topic, a quorum queue for each group, every message
// confirmed, and queues whose messages expire back into the group's own for those that wait for another try.
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
	// Prefix begins the names of exchanges and queues.
	Prefix string
	// dial replaces how connections are made: tests cut them.
	dial func(network, address string) (net.Conn, error)
}

var _ bus.Bus = (*Bus)(nil)

// Bus implements bus.Bus. Safe for concurrent use.
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
	inHand  map[string]*atomic.Int64 // by queue: what this process has and has not settled
}

const (
	// connectMax bounds the making of a connection.
	connectMax = 5 * time.Second
	// heartbeat tells a connection that is dead within two of them.
	heartbeat = 5 * time.Second
	// publishMax bounds a publish whose context does not.
	publishMax = 10 * time.Second
	// publishersMax bounds the channels that are kept for publishing: so many publishes run side by side without making one.
	publishersMax = 8
	// batchMax bounds the messages that are published before their confirms are awaited.
	batchMax = 2048
)

// Open connects, and makes what is missing of exchanges and queues. It returns an error where no broker answers, it is too
// old, or a queue is there with other settings.
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

// nameless returns the address of a URL without the user and the password in it.
func nameless(url string) string {
	if u, err := amqp.ParseURI(url); err == nil {
		return net.JoinHostPort(u.Host, strconv.Itoa(u.Port))
	}
	return "the configured address"
}

// connection returns the open connection, and opens it if there is none.
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

// make makes what is missing of exchanges and queues.
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
		// The order by key holds while one consumer at a time is served; the next takes over where it ends.
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

// older reports whether a version is before major.minor; one that cannot be read is not.
func older(version string, major, minor int) bool {
	var a, b int
	if n, _ := fmt.Sscanf(version, "%d.%d", &a, &b); n != 2 {
		return false
	}
	return a < major || a == major && b < minor
}

// Durability says in one sentence what the broker's promise is worth, and whether a confirmed message survives the loss of
// power.
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
