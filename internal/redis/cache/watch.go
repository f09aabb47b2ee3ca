package cache

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"

	"github.com/tidegate/tidegate/internal/redis"
)

// Listener is told of what other processes, and this one, have changed. Its methods are called one at a time for each server
// of Redis, must be safe for concurrent use, and must not take long.
type Listener interface {
	// Forgotten says that what a key stands for has changed.
	Forgotten(key string)
	// Hears says that changes are heard of from now on, and that some may have been missed before.
	Hears()
	// Deaf says that changes are not heard of from now on.
	Deaf()
}

// watch keeps one connection to each server of Redis, on which that announces the signs. It is driven by one goroutine.
type watch struct {
	client *redis.Client
	prefix string
	to     Listener

	live     atomic.Bool
	wake     chan struct{}
	mu       sync.Mutex // of trackers: one step at a time
	trackers map[string]*tracker
}

func newWatch(client *redis.Client, prefix string) watch {
	return watch{client: client, prefix: prefix, wake: make(chan struct{}, 1), trackers: map[string]*tracker{}}
}

// Listen says who is told. Call it once, before the first WatchStep.
func (w *watch) Listen(to Listener) { w.to = to }

// Live reports whether this process hears of changes at the moment.
func (w *watch) Live() bool { return w.live.Load() }

// WatchWake has a signal when a connection was lost, so that the next step should not wait for its time.
func (w *watch) WatchWake() <-chan struct{} { return w.wake }

// WatchStep makes the connections that are missing, asks on the others whether they still stand, and tells the Listener what
// that changes. Run it at least once a second, from one goroutine. It returns why changes are not heard of.
func (w *watch) WatchStep(ctx context.Context) (did int, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	nodes := w.client.Nodes()
	maps.DeleteFunc(w.trackers, func(address string, t *tracker) bool {
		_, known := nodes[address]
		if !known {
			t.stop()
		}
		return !known
	})
	appeared := false
	for address, node := range nodes {
		if t := w.trackers[address]; t != nil {
			failed := t.ask(ctx, w.client.ReplyTimeout())
			if failed == nil {
				continue
			}
			t.stop()
			delete(w.trackers, address)
		}
		t, failed := w.track(ctx, node)
		if failed != nil {
			err = fmt.Errorf("changes are not heard of from the Redis at %s: %w", address, failed)
			continue
		}
		w.trackers[address], appeared = t, true
	}
	was := w.live.Load()
	switch {
	case err != nil || len(nodes) == 0:
		w.lose()
	case appeared || !was:
		w.to.Hears()
		w.live.Store(true)
		did = 1
	}
	return did, err
}

// Unwatch ends the connections.
func (w *watch) Unwatch() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, t := range w.trackers {
		t.stop()
	}
	clear(w.trackers)
	w.lose()
}

// lose tells the Listener once that it hears nothing any more.
func (w *watch) lose() {
	if w.live.CompareAndSwap(true, false) {
		w.to.Deaf()
	}
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// tracker is a connection on which a server announces the signs.
type tracker struct {
	connection rueidis.DedicatedClient
	ended      <-chan error
}

// track makes a connection and has the server announce what is written below the prefix.
func (w *watch) track(ctx context.Context, node rueidis.Client) (*tracker, error) {
	ctx, cancel := context.WithTimeout(ctx, w.client.ReplyTimeout())
	defer cancel()
	connection, _ := node.Dedicate()
	t := &tracker{connection: connection}
	t.ended = connection.SetOnInvalidations(w.heard)
	on := connection.B().ClientTracking().On().Prefix().Prefix(w.prefix).Bcast().Build()
	if err := connection.Do(ctx, on).Error(); err != nil {
		t.stop()
		return nil, err
	}
	return t, nil
}

// heard takes an announcement. One without keys says that the server was emptied, after which what is in memory is as true as
// before, or that the connection has ended, which the next step finds.
func (w *watch) heard(keys []rueidis.RedisMessage) {
	for i := range keys {
		name, err := keys[i].ToString()
		if err != nil {
			continue
		}
		escaped, ours := strings.CutPrefix(name, w.prefix)
		if key, err := url.QueryUnescape(strings.Trim(escaped, "{}")); ours && err == nil {
			w.to.Forgotten(key)
		}
	}
	if len(keys) == 0 {
		select {
		case w.wake <- struct{}{}:
		default:
		}
	}
}

// ask returns nil where the connection stands.
func (t *tracker) ask(ctx context.Context, within time.Duration) error {
	select {
	case err := <-t.ended:
		return fmt.Errorf("the connection has ended: %w", err)
	default:
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	return t.connection.Do(ctx, t.connection.B().Ping().Build()).Error()
}

// stop ends the connection. It is closed rather than kept for others: what was announced on it must not go on.
func (t *tracker) stop() { t.connection.Close() }
