package eventbus

import (
	"context"
	"fmt"
	"log/slog"
	"strings"

	"github.com/tidegate/tidegate/internal/bus"
	"github.com/tidegate/tidegate/internal/bus/kafka"
	"github.com/tidegate/tidegate/internal/bus/nats"
	"github.com/tidegate/tidegate/internal/bus/rabbitmq"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/store"
)

// durable is a bus over a broker, which says what its promise is worth.
type durable interface {
	bus.Bus
	Durability() (says string, safe bool)
}

// The broker that the first part of bus.address names.
var brokers = map[string]string{
	"amqp": "RabbitMQ", "amqps": "RabbitMQ", "nats": "NATS", "tls": "NATS", "kafka": "Kafka",
}

// brokerName returns which broker an address names; empty where there is none, which stands for the embedded bus.
func brokerName(address string) (string, error) {
	if address == "" {
		return "", nil
	}
	scheme, rest, _ := strings.Cut(address, "://")
	if brokers[scheme] == "" || rest == "" {
		return "", fault.Bad("address", "amqp://user:password@host:5672, nats://host:4222 or kafka://host:9092, or nothing for the embedded bus")
	}
	return brokers[scheme], nil
}

// OpenBroker connects to the broker of the configuration for these topics, and says in the log what its promise is worth.
func OpenBroker(ctx context.Context, c Config, s *store.Store, log *slog.Logger, topics []bus.Topic) (bus.Bus, error) {
	letters := letters{s}
	var b durable
	var err error
	switch name, _ := brokerName(c.Address); name {
	case "RabbitMQ":
		b, err = rabbitmq.Open(ctx, rabbitmq.Config{URL: c.Address, Prefix: c.Prefix}, topics, letters, log)
	case "NATS":
		b, err = nats.Open(ctx, nats.Config{URLs: c.Address, Prefix: c.Prefix, Replicas: c.Replicas}, topics, letters, log)
	default:
		at := strings.TrimPrefix(c.Address, "kafka://")
		b, err = kafka.Open(ctx, kafka.Config{
			Brokers: strings.Split(at, ","), Prefix: c.Prefix, Partitions: c.Partitions, Replicas: c.Replicas,
		}, topics, letters, log)
	}
	if err != nil {
		return nil, fmt.Errorf("%w (bus.address)", err)
	}
	if says, safe := b.Durability(); safe {
		log.InfoContext(ctx, "broker", "durability", says)
	} else {
		log.WarnContext(ctx, "broker", "durability", says)
	}
	return b, nil
}
