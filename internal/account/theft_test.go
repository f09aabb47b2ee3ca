package account_test

import (
	"sync"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/account"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/redis"
	"github.com/tidegate/tidegate/internal/redis/session"
	"github.com/tidegate/tidegate/test/engine"
)

// engines are the stores of sessions; each returns two processes of one shop.
var engines = map[string]func(t *testing.T) (*shop, [2]*account.Service){
	"sql": func(t *testing.T) (*shop, [2]*account.Service) {
		shop := newShop(t)
		return shop, [2]*account.Service{shop.process(t, nil), shop.process(t, nil)}
	},
	"redis": func(t *testing.T) (*shop, [2]*account.Service) {
		shop := newShop(t)
		server := engine.Redis(t)
		var at [2]*account.Service
		for i := range at {
			at[i] = shop.processOn(t, nil, sessionsElsewhere{shop.Store, shop.Store, shop.Store, shop.Store, session.New(connect(t, server.Address))})
		}
		return shop, at
	},
}

type sessionsElsewhere struct {
	account.CustomerStore
	account.KeyStore
	account.ConsoleStore
	account.LogStore
	account.SessionStore
}

func connect(t *testing.T, address string) *redis.Client {
	t.Helper()
	c := redis.DefaultConfig()
	c.Addresses = []string{address}
	client, err := redis.Connect(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

// use is a refresh with the session's token of that number, counted from 0, that time after the previous use.
type use struct {
	token int
	after time.Duration
	want  int // the number of the token answered; ended: none, and the session has ended
}

const ended = -1

// TestStolenRefreshTokens: a lost reply is repeated with the same token. A token older than the previous one ends the
// session for every holder, however soon it comes and at any process.
func TestStolenRefreshTokens(t *testing.T) {
	t.Parallel()
	const soon, later = time.Second, time.Minute
	cases := map[string][]use{
		"each once":                                   {{0, later, 1}, {1, later, 2}, {2, later, 3}},
		"the reply was lost":                          {{0, later, 1}, {0, soon, 1}, {1, later, 2}},
		"the reply was lost three times":              {{0, later, 1}, {0, soon, 1}, {0, soon, 1}, {0, soon, 1}, {1, soon, 2}},
		"the reply was lost for too long":             {{0, later, 1}, {0, later, ended}},
		"the shopper was first, the thief is later":   {{0, later, 1}, {1, later, 2}, {0, later, ended}},
		"the shopper was first, the thief is at once": {{0, later, 1}, {1, soon, 2}, {0, soon, ended}},
		"the thief was first":                         {{0, later, 1}, {0, later, ended}},
		"the thief refreshes every four seconds":      {{0, later, 1}, {1, 4 * soon, 2}, {2, 4 * soon, 3}, {3, 4 * soon, 4}, {0, soon, ended}},
		"both in one breath, then the thief alone":    {{0, later, 1}, {0, 0, 1}, {1, 0, 2}, {2, 0, 3}, {1, 0, ended}},
		"both in one breath, then in turns":           {{0, later, 1}, {0, 0, 1}, {1, 0, 2}, {1, 0, 2}, {2, later, 3}, {0, 0, ended}},
	}
	for engine, open := range engines {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			shop, at := open(t)
			register(t, at[0])
			for name, uses := range cases {
				tokens := []account.Grant{login(t, at[0])}
				for i, u := range uses {
					shop.Clock.Advance(u.after)
					got, err := at[i%2].Refresh(t.Context(), tokens[u.token].Refresh)
					if u.want == ended {
						wants(t, name, err, fault.Unauthenticated)
						break
					}
					if err != nil {
						t.Fatalf("%s: use %d of token %d: %v", name, i, u.token, err)
					}
					if u.want == len(tokens) {
						tokens = append(tokens, got)
					}
					if got.Refresh != tokens[u.want].Refresh || u.want > 0 && got.Refresh == tokens[u.want-1].Refresh {
						t.Errorf("%s: use %d of token %d is not answered token %d", name, i, u.token, u.want)
					}
				}
				last := uses[len(uses)-1]
				if last.want != ended {
					continue
				}
				for i, token := range tokens {
					_, err := at[i%2].Refresh(t.Context(), token.Refresh)
					wants(t, name+": a token after the end", err, fault.Unauthenticated)
				}
				for _, s := range at {
					if _, err := s.RevocationStep(t.Context()); err != nil {
						t.Fatal(err)
					}
					_, err := s.Authenticate(tokens[len(tokens)-1].Access)
					wants(t, name+": the newest access token after the end", err, fault.Unauthenticated)
				}
			}
		})
	}
}

// TestRefreshesAtOnce: all concurrent refreshes with one token, at two processes, get the same next token.
func TestRefreshesAtOnce(t *testing.T) {
	t.Parallel()
	for engine, open := range engines {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			_, at := open(t)
			register(t, at[0])
			grant := login(t, at[0])
			for range 5 {
				var wg sync.WaitGroup
				next := make([]account.Grant, 8)
				for i := range next {
					wg.Go(func() {
						var err error
						if next[i], err = at[i%2].Refresh(t.Context(), grant.Refresh); err != nil {
							t.Error(err)
						}
					})
				}
				wg.Wait()
				for _, n := range next {
					if n.Refresh != next[0].Refresh || n.Refresh == grant.Refresh {
						t.Fatal("one token had two successors")
					}
				}
				grant = next[0]
			}
		})
	}
}
