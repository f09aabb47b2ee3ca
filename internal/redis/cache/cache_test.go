package cache_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/await"
	"github.com/tidegate/tidegate/internal/redis"
	"github.com/tidegate/tidegate/internal/redis/cache"
	"github.com/tidegate/tidegate/test/engine"
)

// ears is a Listener that keeps what it was told.
type ears struct {
	mu    sync.Mutex
	keys  []string
	hears atomic.Int64
	deaf  atomic.Int64
}

func (e *ears) Forgotten(key string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.keys = append(e.keys, key)
}
func (e *ears) OnConnect()    { e.hears.Add(1) }
func (e *ears) OnDisconnect() { e.deaf.Add(1) }

func (e *ears) heard(key string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Contains(e.keys, key)
}

// process is what one process of the shop has of the shared level. Its watching goes on until the test ends.
type process struct {
	*cache.Cache
	ears *ears
}

func newProcess(t *testing.T, at engine.RedisPlace) process {
	t.Helper()
	c := redis.DefaultConfig()
	c.Addresses, c.Cluster, c.SentinelMaster, c.Prefix = at.Addresses, at.Cluster, at.SentinelMaster, at.Prefix
	c.DialTimeout, c.ReplyTimeout = 2*time.Second, 2*time.Second
	client, err := redis.Connect(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	p := process{cache.New(client), &ears{}}
	p.Listen(p.ears)
	if _, err := p.WatchStep(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var watching sync.WaitGroup
	watching.Go(func() {
		for ctx.Err() == nil {
			_, _ = p.WatchStep(ctx)
			select {
			case <-ctx.Done():
			case <-p.WatchWake():
				time.Sleep(10 * time.Millisecond)
			case <-time.After(50 * time.Millisecond):
			}
		}
	})
	t.Cleanup(func() {
		cancel()
		watching.Wait()
		p.Unwatch()
		client.Close()
	})
	return p
}

func one(server *engine.RedisServer) engine.RedisPlace {
	return engine.RedisPlace{Addresses: []string{server.Address}, Prefix: "tidegate"}
}

// TestCache is what the shared level promises, wherever it is.
func TestCache(t *testing.T) {
	t.Parallel()
	engine.EachRedis(t, func(t *testing.T, at engine.RedisPlace) {
		for i, c := range []struct {
			name  string
			check func(*testing.T, engine.RedisPlace)
		}{
			{"one loads a cold key for all", oneLoads},
			{"a late loader does not store what is old", lateLoader},
			{"a dead loader holds nobody up", deadLoader},
			{"changes are heard of", changesHeard},
		} {
			t.Run(c.name, func(t *testing.T) {
				its := at
				its.Prefix += strconv.Itoa(i)
				c.check(t, its)
			})
		}
	})
}

// says is a load that says a text.
func says(text string, loads *atomic.Int64) func(context.Context) ([]byte, time.Duration, error) {
	return func(context.Context) ([]byte, time.Duration, error) {
		loads.Add(1)
		return []byte(text), time.Minute, nil
	}
}

func mustLoad(t *testing.T, p process, key, want string, load func(context.Context) ([]byte, time.Duration, error)) {
	t.Helper()
	if got, err := p.Load(t.Context(), key, load); err != nil || string(got) != want {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
}

// oneLoads: of all that ask for a cold key in three processes one loads it.
func oneLoads(t *testing.T, at engine.RedisPlace) {
	processes := []process{newProcess(t, at), newProcess(t, at), newProcess(t, at)}
	var loads atomic.Int64
	slow := func(context.Context) ([]byte, time.Duration, error) {
		loads.Add(1)
		time.Sleep(50 * time.Millisecond)
		return []byte("new"), time.Minute, nil
	}
	var all sync.WaitGroup
	for i := range 30 {
		all.Go(func() {
			if got, err := processes[i%len(processes)].Load(t.Context(), "p:1", slow); err != nil || string(got) != "new" {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
	all.Wait()
	if loads.Load() != 1 {
		t.Errorf("%d loads", loads.Load())
	}
	// An answer that something does not exist is shared too, empty as it is.
	loads.Store(0)
	for _, p := range processes {
		mustLoad(t, p, "p:2", "", says("", &loads))
	}
	if loads.Load() != 1 {
		t.Errorf("%d loads of what does not exist", loads.Load())
	}
}

// What was read before a change is never shared after it, however late its loader is.
func lateLoader(t *testing.T, at engine.RedisPlace) {
	a, b := newProcess(t, at), newProcess(t, at)
	hasRead, mayStore := make(chan struct{}), make(chan struct{})
	var loads atomic.Int64
	var late sync.WaitGroup
	late.Go(func() {
		_, _ = a.Load(t.Context(), "p:1", func(context.Context) ([]byte, time.Duration, error) {
			close(hasRead)
			<-mayStore
			return []byte("old"), time.Minute, nil
		})
	})
	<-hasRead
	if err := b.Forget(t.Context(), []string{"p:1"}); err != nil {
		t.Fatal(err)
	}
	mustLoad(t, b, "p:1", "new", says("new", &loads))
	close(mayStore)
	late.Wait()
	mustLoad(t, a, "p:1", "new", says("wrong", &loads))
	mustLoad(t, b, "p:1", "new", says("wrong", &loads))
	if s := a.Stats(); s.Refused != 1 {
		t.Errorf("%+v", s)
	}
}

// A loader that dies is waited for no longer than its lease; one that fails gives it back at once.
func deadLoader(t *testing.T, at engine.RedisPlace) {
	a, b := newProcess(t, at), newProcess(t, at)
	var loads atomic.Int64
	fails := func(context.Context) ([]byte, time.Duration, error) { return nil, 0, errors.New("no database") }
	if _, err := a.Load(t.Context(), "p:2", fails); err == nil || err.Error() != "no database" {
		t.Error(err)
	}
	mustLoad(t, b, "p:2", "new", says("new", &loads))
	if s := b.Stats(); s.Waits != 0 {
		t.Error("a load that had failed was waited for")
	}
	dead, cancel := context.WithCancel(t.Context())
	hasLease, ended := make(chan struct{}), make(chan struct{})
	defer close(ended)
	go func() {
		_, _ = a.Load(dead, "p:1", func(ctx context.Context) ([]byte, time.Duration, error) {
			close(hasLease)
			<-ctx.Done()
			<-ended // and says nothing more
			return nil, 0, ctx.Err()
		})
	}()
	<-hasLease
	defer cancel()
	mustLoad(t, b, "p:1", "new", says("new", &loads))
	if s := b.Stats(); s.Waits != 1 {
		t.Errorf("%+v", s)
	}
}

func changesHeard(t *testing.T, at engine.RedisPlace) {
	a, b := newProcess(t, at), newProcess(t, at)
	for i := range 50 {
		key := fmt.Sprintf("a:c{%d} %% :é", i)
		if err := a.Forget(t.Context(), []string{key, "g"}); err != nil {
			t.Fatal(err)
		}
		await.Until(t, "heard in both", func() bool { return b.ears.heard(key) && a.ears.heard(key) })
	}
	// Loading and expiring are nobody's news.
	var loads atomic.Int64
	mustLoad(t, a, "p:1", "new", says("new", &loads))
	if err := a.Forget(t.Context(), []string{"last"}); err != nil {
		t.Fatal(err)
	}
	await.Until(t, "the last is heard", func() bool { return b.ears.heard("last") })
	if b.ears.heard("p:1") {
		t.Error("a load was announced")
	}
}

// Without Redis everyone loads for themselves and knows it; when it is back they share again.
func TestRedisGoneAndBack(t *testing.T) {
	t.Parallel()
	server := engine.Redis(t)
	a, b := newProcess(t, one(server)), newProcess(t, one(server))
	var loads atomic.Int64
	mustLoad(t, a, "p:1", "new", says("new", &loads))
	server.Kill()
	await.Until(t, "both are deaf", func() bool { return !a.Live() && !b.Live() && a.ears.deaf.Load() == 1 && b.ears.deaf.Load() == 1 })
	mustLoad(t, a, "p:1", "own", says("own", &loads))
	if err := a.Forget(t.Context(), []string{"p:1"}); err == nil {
		t.Error("a change that nobody heard of was called told")
	}
	server.Start()
	await.Until(t, "both hear", func() bool { return a.Live() && b.Live() })
	if a.ears.hears.Load() != 2 {
		t.Errorf("told %d times that it hears", a.ears.hears.Load())
	}
	loads.Store(0)
	mustLoad(t, a, "p:1", "new", says("new", &loads))
	mustLoad(t, b, "p:1", "new", says("new", &loads))
	if loads.Load() != 1 {
		t.Errorf("%d loads", loads.Load())
	}
	if err := a.Forget(t.Context(), []string{"p:9"}); err != nil {
		t.Error(err)
	}
	await.Until(t, "a change is heard on the new connection", func() bool { return b.ears.heard("p:9") })
}

// A server that says nothing any more, its connections open, is found out.
func TestRedisThatHangs(t *testing.T) {
	t.Parallel()
	server := engine.Redis(t)
	a := newProcess(t, one(server))
	server.Pause()
	var loads atomic.Int64
	mustLoad(t, a, "p:1", "own", says("own", &loads))
	await.Until(t, "it is deaf", func() bool { return !a.Live() })
	server.Resume()
	await.Until(t, "it hears", func() bool { return a.Live() })
}
