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

// Listener receives the invalidations of all processes, this one included. Calls for one Redis server come one at a
// time; calls for different servers may overlap, so methods must be safe for concurrent use. They must return quickly.
type Listener interface {
	// Forgotten says that the value of key has changed.
	Forgotten(key string)
	// OnConnect says that invalidations arrive from now on, and that earlier ones may have been missed.
	OnConnect()
	// OnDisconnect says that invalidations no longer arrive.
	OnDisconnect()
}

// watch keeps one connection to each Redis server for its invalidation messages. One goroutine drives it.
type watch struct {
	client *redis.Client
	prefix string
	to     Listener

	live     atomic.Bool
	wake     chan struct{}
	mu       sync.Mutex // guards trackers and allows one step at a time
	trackers map[string]*tracker
}

func newWatch(client *redis.Client, prefix string) watch {
	return watch{client: client, prefix: prefix, wake: make(chan struct{}, 1), trackers: map[string]*tracker{}}
}

// Listen sets the Listener. Call it once, before the first WatchStep.
func (w *watch) Listen(to Listener) { w.to = to }

// Live reports whether this process currently receives invalidations.
func (w *watch) Live() bool { return w.live.Load() }

// WatchWake is signalled when a connection is lost, so that WatchStep runs early.
func (w *watch) WatchWake() <-chan struct{} { return w.wake }

// WatchStep opens missing connections, pings the others and reports changes to the Listener. Call it at least once a
// second, from one goroutine. It returns the reason when invalidations do not arrive.
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
		w.to.OnConnect()
		w.live.Store(true)
		did = 1
	}
	return did, err
}

// Unwatch closes the connections.
func (w *watch) Unwatch() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, t := range w.trackers {
		t.stop()
	}
	clear(w.trackers)
	w.lose()
}

// lose calls OnDisconnect, once for each loss.
func (w *watch) lose() {
	if w.live.CompareAndSwap(true, false) {
		w.to.OnDisconnect()
	}
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// tracker is a connection on which a server sends invalidation messages.
type tracker struct {
	connection rueidis.DedicatedClient
	ended      <-chan error
}

// track opens a connection and subscribes to all keys below the prefix.
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

// heard handles an invalidation message. One without keys has two causes: the server was flushed, after which values in
// memory are still right, or the connection ended, which the next step detects.
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

// ask returns nil if the connection answers a ping.
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

// stop closes the connection. It must not return to the pool, because it would go on receiving invalidation messages.
func (t *tracker) stop() { t.connection.Close() }
