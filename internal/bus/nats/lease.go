package nats

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/tidegate/tidegate/internal/bus/broker"
)

// NATS gives the messages of a consumer to any process that fetches, so two processes could take messages of one key at
// the same time. So one process holds the group: an expiring entry in a key-value bucket. The hold only protects the
// order. If two processes have it for a moment, a message is applied twice, which every handler tolerates.
const (
	holdLifetime = 6 * time.Second
	renewEvery   = 1500 * time.Millisecond
	// waitEvery is how often a waiting process checks whether the hold is free.
	waitEvery = 200 * time.Millisecond
)

var (
	errHeld     = errors.New("another process has the group")
	errHoldLost = errors.New("the hold on the group is lost")
)

// holders returns the bucket of holds.
func (b *Bus) holders(ctx context.Context) (jetstream.KeyValue, error) {
	kv, err := b.js.CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{
		Bucket: b.config.Prefix + "_holders", TTL: holdLifetime, Storage: jetstream.FileStorage, Replicas: max(b.config.Replicas, 1),
	})
	if err != nil {
		return nil, fmt.Errorf("the NATS bucket of holds cannot be made: %w", err)
	}
	return kv, nil
}

// holder is this process's hold on a group.
type holder struct {
	kv    jetstream.KeyValue
	key   string
	stop  context.CancelFunc
	ended chan struct{}

	mu       sync.Mutex
	revision uint64
	until    time.Time // zero: lost
}

// hold waits until this process has the group.
func (b *Bus) hold(ctx context.Context, topic, group string) (*holder, error) {
	kv, err := b.holders(ctx)
	if err != nil {
		return nil, err
	}
	h := &holder{kv: kv, key: topic + "." + group, ended: make(chan struct{})}
	for {
		began := time.Now()
		h.revision, err = kv.Create(ctx, h.key, nil)
		if err == nil {
			h.until = began.Add(holdLifetime)
			break
		}
		if !errors.Is(err, jetstream.ErrKeyExists) {
			return nil, err
		}
		if !broker.Sleep(ctx, waitEvery) {
			return nil, errHeld
		}
	}
	renewing, cancel := context.WithCancel(context.Background())
	h.stop = cancel
	go func() {
		defer close(h.ended)
		for broker.Sleep(renewing, renewEvery) {
			h.renew()
		}
	}()
	return h, nil
}

// holds reports whether this process still has the group, by its own clock.
func (h *holder) holds() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return time.Now().Before(h.until)
}

// renew prolongs the hold. If another process has it, the hold is lost.
func (h *holder) renew() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.until.IsZero() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), renewEvery)
	defer cancel()
	began := time.Now()
	revision, err := h.kv.Update(ctx, h.key, nil, h.revision)
	switch {
	case err == nil:
		h.revision, h.until = revision, began.Add(holdLifetime)
	case errors.Is(err, jetstream.ErrKeyExists):
		h.until = time.Time{} // it expired and another process took it, or the answer to a successful renewal was lost
	}
}

// release frees the group.
func (h *holder) release() {
	h.stop()
	<-h.ended
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.until.IsZero() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), renewEvery)
	defer cancel()
	_ = h.kv.Delete(ctx, h.key, jetstream.LastRevision(h.revision)) // otherwise it expires
}
