// Package matrix kills, hangs and fails the shop at every named moment of its work (internal/kernel/crashpoint), under load
// and in every configuration that there is, starts it again, and compares what it holds with what its clients were told.
package matrix

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/await"
	"github.com/tidegate/tidegate/internal/kernel/crashpoint"
	"github.com/tidegate/tidegate/test/blackbox"
	"github.com/tidegate/tidegate/test/engine"
	"github.com/tidegate/tidegate/test/share"
)

func TestMain(m *testing.M) { blackbox.Main(m, "-tags=crashpoints") }

// TestMatrix tries moments in a random order until all were tried, or as many as asked for, and repeats them in a long run.
func TestMatrix(t *testing.T) {
	for _, c := range configurations {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var tried atomic.Int64
			if !share.Long() && c.inCI == 0 {
				t.Skip("a long run alone tries it")
			}
			if !share.Long() {
				run(t, c, share.Seed(t, 6), c.inCI, &tried)
				return
			}
			for lane := range c.lanes {
				count := (share.Count(t, 0) + c.lanes - 1) / c.lanes
				t.Run(fmt.Sprint("lane ", lane), func(t *testing.T) {
					t.Parallel()
					run(t, c, share.Seed(t, 6)+uint64(lane), count, &tried)
				})
			}
		})
	}
}

// run tries as many moments of a configuration on one shop.
func run(t *testing.T, c configuration, seed uint64, count int, tried *atomic.Int64) {
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 6))
	s := newStage(t, random, c)
	for mine := 0; mine < count; {
		all := moments(random, c.without)
		if len(all) == 0 {
			t.Fatalf("no point begins with %q", os.Getenv(onlyVariable))
		}
		for _, m := range all[:min(len(all), count-mine)] {
			mine++
			s.try(m)
			share.Progress("moments of "+c.name, int(tried.Add(1)))
			if t.Failed() {
				t.Fatalf("at %s", m)
			}
		}
	}
	s.end()
}

// onlyVariable is the environment variable that names the beginning of the points that are tried alone.
const onlyVariable = "TORTURE_POINT"

// moment is a point, what happens there, and on which pass.
type moment struct {
	point  crashpoint.Point
	action string
	nth    int
}

// String returns what the shop's environment says of the moment.
func (m moment) String() string { return fmt.Sprintf("%s %s %d", m.point, m.action, m.nth) }

// moments lists every point with everything that can happen there, in a random order, but for those that begin with one of
// without. Points that a round may pass but once are met on the first pass.
func moments(random *rand.Rand, without []string) []moment {
	var all []moment
	for _, p := range crashpoint.Points() {
		if begins(p, without...) || !begins(p, os.Getenv(onlyVariable)) {
			continue
		}
		most := 3
		switch {
		case begins(p, "order.", "store.orders"):
			most = 30
		case begins(p, "queue.", "bus."):
			most = 10
		case begins(p, "gate.rebuild", "sale.", "shared.rebuild", "shared.close", "shared.release", "shared.sweep"):
			most = 1
		}
		actions := []string{"die", "hang"}
		if slices.Contains(crashpoint.MayFail(), p) {
			actions = append(actions, "fail")
		}
		for _, a := range actions {
			all = append(all, moment{p, a, 1 + random.IntN(most)})
		}
	}
	random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all
}

// begins reports whether a point begins with one of the texts.
func begins(p crashpoint.Point, texts ...string) bool {
	return slices.ContainsFunc(texts, func(text string) bool { return strings.HasPrefix(string(p), text) })
}

// The stage of the matrix: a new sale for each moment, beside general stock.
const (
	firstCustomer = 1_000_001
	customers     = 60
	stock         = 1_000_000
	allocation    = 40
	limit         = 3
	answerWithin  = "TIDEGATE_ORDERS_ANSWER_WITHIN=3s"
	earlyQuestion = "TIDEGATE_PAYMENTS_QUERY_AFTER=1s"
	smallLog      = "TIDEGATE_STORE_CHECKPOINT_MIB=1"
)

// stage is one shop through all its deaths.
type stage struct {
	*testing.T
	random   *rand.Rand
	patience time.Duration
	redis    *engine.RedisServer // nil where the gate is in memory
	shop     *blackbox.Shop
	sku      string
	tokens   []string
	rounds   int
	dues     []due // what must come to pass in time, of all rounds
}

func newStage(t *testing.T, random *rand.Rand, c configuration) *stage {
	s := &stage{T: t, random: random, patience: c.patience}
	s.shop = blackbox.At(t, filepath.Join(share.Folder(t), "shop"), append(c.engines(s), answerWithin, earlyQuestion, smallLog)...)
	s.shop.Start()
	s.sku = s.shop.Stocked("MUG", stock)
	s.tokens = s.shop.Tokens(firstCustomer, customers, "--ttl", "24h")
	first := blackbox.Buying("", 1, firstCustomer, s.tokens[0], key(), s.sku) // what an audit finds in a first round that takes none
	await.Until(s, "the first order is taken", func() bool { return s.shop.Buy(first).Status == 201 })
	return s
}

// try prepares a round with a process that is sound, lets another meet the moment under load, and holds a third to what
// shoppers were told. A process that only failed goes on.
func (s *stage) try(m moment) {
	s.Helper()
	s.rounds++
	r := s.prepare()
	stop := func() {}
	s.shop.Kill()
	switch {
	case begins(m.point, "store.checkpoint"):
		stop = r.keepLogBusy()
	case begins(m.point, "shared.rebuild"):
		engine.RedisDo(s, s.redis.Address, "FLUSHALL") // a gate that has lost nothing is taken up as it is
	case begins(m.point, "shared.close"):
		stop = s.redis.Start // see meet
	}
	r.meet(m)
	stop()
	if !r.met(m) {
		s.Errorf("the load does not come to %s", m)
	}
	s.Logf("round %d, %s: %s", s.rounds, m, r.book)
	if m.action != "fail" || s.shop.Ended() {
		if !s.shop.Ended() {
			s.shop.Kill()
		}
		s.shop.Start()
	}
	r.check()
}

// end waits for what must come to pass, and audits for the last time.
func (s *stage) end() {
	s.settleDues()
	s.shop.Audit("I1", "I2", "I3", "I4", "I6", "I7", "I9")
	s.shop.Reconciled()
	s.shop.Stop()
}

// prepare opens the round's sale, and schedules another whose clock runs while the armed process is there.
func (s *stage) prepare() *round {
	r := &round{
		stage: s, book: blackbox.NewBook(nil), taken: map[string]bool{}, cancelled: map[string]bool{}, paid: map[string]string{}, refunded: map[string]bool{},
		promised: map[string]blackbox.Purchase{}, waiting: map[string]blackbox.Purchase{},
	}
	r.sale = s.shop.Open(blackbox.Terms{SKUs: []string{s.sku}, Allocation: allocation, Limit: limit, PaymentSeconds: 10})
	s.shop.Schedule(blackbox.Terms{SKUs: []string{s.sku}, Allocation: allocation, In: clockIn, Lasts: clockLasts})
	return r
}

// next counts the keys of a shop.
var next atomic.Int64

func key() string { return "k-" + strconv.FormatInt(next.Add(1), 10) }
