// Package matrix kills, hangs and fails the shop at every named moment of its work (internal/kernel/crashpoint), under load
// and in every configuration that there is, starts it again, and compares what it holds with what its clients were told.
package matrix

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/crashpoint"
	"github.com/tidegate/tidegate/test/blackbox"
	"github.com/tidegate/tidegate/test/engine"
	"github.com/tidegate/tidegate/test/share"
)

func TestMain(m *testing.M) { blackbox.Main(m, "-tags=crashpoints") }

// configuration is a set of engines under the shop.
type configuration struct {
	name string
	// inCI is how many moments `go test` tries: two seconds each, and more where a gate outside the process holds what a dead one
	// has reserved.
	inCI int
	// env returns the settings that choose the engines, with names of their own on those that are shared.
	env func(t *testing.T) []string
	// patience is how long a key may be answered 503 after a death.
	patience time.Duration
	// without are beginnings of the points that the engines do not pass.
	without []string
}

// configurations are those that the matrix runs against. Another engine joins by a line.
var configurations = []configuration{
	{"sqlite", 6, func(*testing.T) []string { return nil }, 0, nil},
	{"mysql", 4, onMySQL, blackbox.Patience, []string{"store.checkpoint"}},
	{"mysql and redis", 3, func(t *testing.T) []string {
		return append(onMySQL(t), "TIDEGATE_REDIS_ADDRESSES="+engine.Redis(t).Address, "TIDEGATE_GATE_HOLD=5s")
	}, blackbox.Patience, []string{"store.checkpoint", "gate.rebuild", "gate.follow"}},
}

func onMySQL(t *testing.T) []string {
	return []string{"TIDEGATE_STORE_PRIMARY=" + engine.MySQL(t), "TIDEGATE_STORE_ALLOW_UNSAFE=true"}
}

// TestMatrix tries moments in a random order until all were tried, or as many as asked for, and repeats them in a long run.
func TestMatrix(t *testing.T) {
	for _, c := range configurations {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			seed, count := share.Seed(t, 6), share.Count(t, c.inCI)
			t.Logf("seed %d", seed)
			random := rand.New(rand.NewPCG(seed, 6))
			s := newStage(t, random, c)
			for tried := 0; tried < count; {
				for _, m := range moments(random) {
					if slices.ContainsFunc(c.without, func(p string) bool { return strings.HasPrefix(string(m.point), p) }) {
						continue
					}
					if tried++; tried > count {
						break
					}
					s.try(m)
					share.Progress("moments of "+c.name, tried)
					if t.Failed() {
						t.Fatalf("at %s", m)
					}
				}
			}
			s.end()
		})
	}
}

// moment is a point, what happens there, and on which pass.
type moment struct {
	point  crashpoint.Point
	action string
	nth    int
}

// String returns what the shop's environment says of the moment.
func (m moment) String() string { return fmt.Sprintf("%s %s %d", m.point, m.action, m.nth) }

// moments lists every point with everything that can happen there, in a random order. Points that only one pass of a start
// reaches are met on the first.
func moments(random *rand.Rand) []moment {
	var all []moment
	for _, p := range crashpoint.Points() {
		most := 3
		switch prefix, _, _ := strings.Cut(string(p), "."); {
		case prefix == "order" || strings.HasPrefix(string(p), "store.orders"):
			most = 30
		case strings.HasPrefix(string(p), "gate.rebuild"):
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
	shop     *blackbox.Shop
	sku      string
	tokens   []string
	rounds   int
	dues     []due // what must come to pass in time, of all rounds
}

func newStage(t *testing.T, random *rand.Rand, c configuration) *stage {
	s := &stage{T: t, random: random, patience: c.patience}
	s.shop = blackbox.At(t, filepath.Join(share.Folder(t), "shop"), append(c.env(t), answerWithin, earlyQuestion, smallLog)...)
	s.shop.Start()
	s.sku = s.shop.Stocked("MUG", stock)
	s.tokens = s.shop.Tokens(firstCustomer, customers)
	return s
}

// try prepares a round with a process that is sound, lets another meet the moment under load, and holds a third to what
// shoppers were told. A process that only failed goes on.
func (s *stage) try(m moment) {
	s.Helper()
	s.rounds++
	r := s.prepare()
	stop := func() {}
	if strings.HasPrefix(string(m.point), "store.checkpoint") {
		stop = r.keepLogBusy()
	}
	s.shop.Kill()
	if s.shop.TryStart("crashpoint: hang", crashpoint.Variable+"="+m.String()) {
		r.load(m)
	}
	stop()
	if !strings.Contains(s.shop.Process().Stderr.String(), "crashpoint: "+m.action) {
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
	r := &round{stage: s, book: blackbox.NewBook(nil), cancelled: map[string]bool{}, paid: map[string]string{}, refunded: map[string]bool{}}
	r.sale = s.shop.Open(blackbox.Terms{SKUs: []string{s.sku}, Allocation: allocation, Limit: limit, PaymentSeconds: 10})
	s.shop.Schedule(blackbox.Terms{SKUs: []string{s.sku}, Allocation: allocation, In: clockIn, Lasts: clockLasts})
	return r
}

// next counts the keys of a shop.
var next atomic.Int64

func key() string { return "k-" + strconv.FormatInt(next.Add(1), 10) }
