package session_test

import (
	"crypto/rand"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/account"
	"github.com/tidegate/tidegate/internal/redis"
	"github.com/tidegate/tidegate/internal/redis/session"
	"github.com/tidegate/tidegate/internal/store/storetest"
	"github.com/tidegate/tidegate/test/engine"
)

func connect(t *testing.T, at engine.RedisPlace, prefix string) *redis.Client {
	t.Helper()
	c := redis.DefaultConfig()
	c.Addresses, c.Cluster, c.SentinelMaster, c.Prefix = at.Addresses, at.Cluster, at.SentinelMaster, prefix
	client, err := redis.Connect(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

func TestSessions(t *testing.T) {
	t.Parallel()
	engine.EachRedis(t, func(t *testing.T, at engine.RedisPlace) {
		storetest.Sessions(t, func(t *testing.T) account.SessionStore { return session.New(connect(t, at, at.Prefix+rand.Text())) })
	})
}

// Where Redis has lost everything, what is ended afterwards is still read by who has read further before.
func TestRevocationsAfterALoss(t *testing.T) {
	t.Parallel()
	client := connect(t, engine.RedisPlace{Addresses: []string{engine.Redis(t).Address}}, "shop")
	s := session.New(client)
	now := time.Now()
	end := func(n int64) int64 {
		t.Helper()
		v := account.Session{Customer: 7, CreatedAt: now, RotatedAt: now, ExpiresAt: now.Add(time.Hour)}
		v.ID += 1
		if _, err := s.InsertSession(t.Context(), v, 5, now.Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		if err := s.RevokeSession(t.Context(), v.ID, now, now.Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		all, err := s.Revocations(t.Context(), n, now, 10)
		if err != nil || len(all) != 1 {
			t.Fatalf("after position %d: %v, %v", n, all, err)
		}
		return all[0].Position
	}
	first := end(0)
	if err := client.Do(t.Context(), client.B().Flushall().Build()).Error(); err != nil {
		t.Fatal(err)
	}
	if second := end(first); second <= first {
		t.Errorf("position %d after %d", second, first)
	}
}
