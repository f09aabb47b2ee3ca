// Package history records what many do at once, and asks porcupine whether the answers fit any order of doing it one after
// the other: of a gate alone, by SKU and by key, and of the whole server over HTTP.
package history

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/redis"
	"github.com/tidegate/tidegate/internal/redis/gate"
	"github.com/tidegate/tidegate/internal/redis/gate/gatefixture"
	"github.com/tidegate/tidegate/test/engine"
	"github.com/tidegate/tidegate/test/share"
)

// fresh returns a gate that is loaded with a snapshot, as each of its processes has it.
type fresh func(t *testing.T, s inventory.Snapshot) []inventory.Gate

// gates are the engines whose histories are checked. Another gate joins by a line.
var gates = []struct {
	name string
	// late says that a process may refuse for a moment what another one has just given back: Redis tells it so a moment later.
	late bool
	// inCI is how many histories `go test` checks of each kind.
	inCI int
	open func(t *testing.T) fresh
}{
	{"memory", false, 1000, inMemory},
	{"Redis, asked before each refusal", false, 150, func(t *testing.T) fresh { return inRedis(t, false) }},
	{"Redis", true, 150, func(t *testing.T) fresh { return inRedis(t, true) }},
}

func inMemory(*testing.T) fresh {
	return func(t *testing.T, s inventory.Snapshot) []inventory.Gate {
		g := inventory.NewMemoryGate()
		if err := g.Load(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		return []inventory.Gate{g}
	}
}

// inRedis has two processes share a gate. Each history is an epoch of its own.
func inRedis(t *testing.T, told bool) fresh {
	client := gatefixture.Connect(t, redis.Config{Addresses: []string{engine.Redis(t).Address}})
	book := &gatefixture.FakeStore{}
	open := func() *gate.Gate {
		if told {
			return gatefixture.Open(t, client, book, "history", false)
		}
		return gatefixture.OpenUntracked(client, book, "history")
	}
	a, b := open(), open()
	return func(t *testing.T, s inventory.Snapshot) []inventory.Gate {
		if err := gatefixture.Load(t.Context(), s, a, b); err != nil {
			t.Fatal(err)
		}
		return []inventory.Gate{a, b}
	}
}

// checkMax bounds the search for an order of one history.
const checkMax = 20 * time.Second

const (
	drop  id.Sale = 7
	shirt id.SKU  = 1
)

// operation is a call of a gate.
type operation struct {
	kind     string // reserve, find, give back, confirm, release, level
	order    id.Order
	customer id.Customer
	key      string
	units    int64
}

// answer is what a gate has said.
type answer struct {
	verdict inventory.Verdict
	order   id.Order
	level   int64
}

// recorder writes a history down.
type recorder struct {
	mu     sync.Mutex
	clock  atomic.Int64
	events []porcupine.Operation
}

func (r *recorder) do(client int, in operation, call func() answer) answer {
	from := r.clock.Add(1)
	out := call()
	to := r.clock.Add(1)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, porcupine.Operation{ClientId: client, Input: in, Output: out, Call: from, Return: to})
	return out
}

// TestGateBySKU: the units of one pool. A reservation takes what is there; one that is given back, and a change of the
// outbox, bring it again; nobody is told sold out while there is enough (P9, P14, P17).
func TestGateBySKU(t *testing.T) { eachGate(t, skuModel, skuHistory) }

// TestGateByKey: the keys and the allowance of one customer. A key has one order from its reservation until it is given back; the
// units of a customer stay within the limit (P10, P19, P22).
func TestGateByKey(t *testing.T) { eachGate(t, keyModel, keyHistory) }

func eachGate(t *testing.T, model func(late bool) porcupine.Model, history func(*testing.T, *rand.Rand, fresh) []porcupine.Operation) {
	for _, g := range gates {
		t.Run(g.name, func(t *testing.T) {
			t.Parallel()
			seed, count := share.Seed(t, 4), share.Count(t, g.inCI)
			t.Logf("seed %d", seed)
			open := g.open(t)
			for i := range count {
				events := history(t, rand.New(rand.NewPCG(seed, uint64(i))), open)
				judge(t, model(g.late), events, fmt.Sprintf("history %d", i))
				share.Progress("histories of the gate "+g.name, i+1)
			}
		})
	}
}

// judge fails the test where no order of the operations explains their answers.
func judge(t *testing.T, m porcupine.Model, events []porcupine.Operation, name string) {
	t.Helper()
	result, info := porcupine.CheckOperationsVerbose(m, events, checkMax)
	switch result {
	case porcupine.Ok:
	case porcupine.Unknown:
		t.Logf("%s: %d operations could not be checked in %v", name, len(events), checkMax)
	default:
		path := share.Folder(t) + "/history.html"
		if err := porcupine.VisualizePath(m, info, path); err != nil {
			t.Error(err)
		}
		for _, e := range events {
			t.Logf("%3d-%3d client %d: %s", e.Call, e.Return, e.ClientId, m.DescribeOperation(e.Input, e.Output))
		}
		t.Fatalf("%s cannot be explained: %s", name, path)
	}
}

// clients run a function each at the same time.
func clients(n int, fn func(client int)) {
	var ready, all sync.WaitGroup
	start := make(chan struct{})
	ready.Add(n)
	for i := range n {
		all.Go(func() {
			ready.Done()
			<-start
			fn(i)
		})
	}
	ready.Wait()
	close(start)
	all.Wait()
}

// stage is the drop with its units and limit.
func stage(units, limit int64) inventory.Snapshot {
	return inventory.Snapshot{
		Position: 1, Stock: []inventory.Stock{{Pool: inventory.Pool{Sale: drop, SKU: shirt}, OnHand: units}},
		Terms: []inventory.Terms{{Sale: drop, Limit: limit, Open: true}},
	}
}

func claim(o operation) *inventory.Claim {
	return &inventory.Claim{Order: o.order, Sale: drop, Customer: o.customer, Key: o.key, Lines: []inventory.Line{{SKU: shirt, Units: o.units}}}
}

func reserve(t *testing.T, g inventory.Gate, o operation) answer {
	a, err := g.Reserve(t.Context(), claim(o))
	if err != nil {
		t.Error(err)
	}
	return answer{verdict: a.Verdict, order: a.Order}
}

func settle(t *testing.T, g inventory.Gate, o operation, committed bool) answer {
	decide := g.Release
	if committed {
		decide = g.Confirm
	}
	if err := decide(t.Context(), claim(o)); err != nil {
		t.Error(err)
	}
	return answer{}
}

// skuUnits is what the pool begins with: little, so that everybody wants the last.
const skuUnits = 3

// skuHistory has six clients reserve for one customer after the other, give back and read, while the outbox adds and removes.
func skuHistory(t *testing.T, random *rand.Rand, open fresh) []porcupine.Operation {
	processes := open(t, stage(skuUnits, 0))
	r := &recorder{}
	seeds := [7]uint64{}
	for i := range seeds {
		seeds[i] = random.Uint64()
	}
	position := int64(1)
	clients(len(seeds), func(c int) {
		random, g := rand.New(rand.NewPCG(seeds[c], 1)), processes[c%len(processes)]
		for i := range 7 {
			o := operation{kind: "reserve", order: id.Order(100*c + i + 1), customer: id.Customer(100*c + i + 1), key: fmt.Sprint("k", i), units: 1 + random.Int64N(2)}
			switch {
			case c == 0: // the outbox, in its order
				position++
				o = operation{kind: "release", units: 1 - 2*int64(i%2)}
				r.do(c, o, func() answer {
					err := g.Apply(t.Context(), []inventory.Change{{Position: position, Moved: &inventory.Moved{Sale: drop, SKU: shirt, Kind: inventory.Allocate, Units: o.units, Available: o.units}}})
					if err != nil {
						t.Error(err)
					}
					return answer{}
				})
				continue
			case random.IntN(5) == 0:
				r.do(c, operation{kind: "level"}, func() answer {
					level, _ := g.Available(inventory.Pool{Sale: drop, SKU: shirt})
					return answer{level: level}
				})
				continue
			}
			if r.do(c, o, func() answer { return reserve(t, g, o) }).verdict != inventory.Reserved {
				continue
			}
			back := o
			if back.kind = "give back"; random.IntN(3) == 0 {
				back.kind = "confirm"
			}
			r.do(c, back, func() answer { return settle(t, g, back, back.kind == "confirm") })
		}
	})
	return r.events
}

// skuState is what the pool has left, and the least it ever had.
type skuState struct{ left, least int64 }

func (s skuState) after(units int64) skuState {
	return skuState{s.left + units, min(s.least, s.left+units)}
}

// skuModel counts the units of the pool. A refusal is also right where others hold units at that moment that they then give back;
// late, it is right where the units were ever short before.
func skuModel(late bool) porcupine.Model {
	return porcupine.Model{
		Init: func() any { return skuState{skuUnits, skuUnits} },
		Step: func(state, input, output any) (bool, any) {
			s, in, out := state.(skuState), input.(operation), output.(answer)
			switch in.kind {
			case "reserve":
				if out.verdict == inventory.Reserved {
					return s.left >= in.units, s.after(-in.units)
				}
				return out.verdict == inventory.SoldOut && (s.left < in.units || late && s.least < in.units), s
			case "give back", "release":
				return true, s.after(in.units)
			case "level":
				return out.level == s.left, s
			}
			return true, s // a confirmation changes nothing that is available
		},
		DescribeOperation: describe,
	}
}

func describe(input, output any) string {
	return fmt.Sprintf("%+v -> %s of order %s, level %d", input, output.(answer).verdict, output.(answer).order, output.(answer).level)
}

// keyLimit is the allowance of the customer.
const keyLimit = 2

// keyHistory has clients of one customer use a few keys, for one unit each.
func keyHistory(t *testing.T, random *rand.Rand, open fresh) []porcupine.Operation {
	processes := open(t, stage(1000, keyLimit))
	r := &recorder{}
	seeds := [5]uint64{}
	for i := range seeds {
		seeds[i] = random.Uint64()
	}
	clients(len(seeds), func(c int) {
		random, g := rand.New(rand.NewPCG(seeds[c], 2)), processes[c%len(processes)]
		for i := range 7 {
			o := operation{kind: "reserve", order: id.Order(100*c + i + 1), customer: 1, key: fmt.Sprint("k", random.IntN(3)), units: 1}
			if random.IntN(4) == 0 {
				o.kind = "find"
				r.do(c, o, func() answer {
					a, err := g.Find(t.Context(), claim(o))
					if err != nil {
						t.Error(err)
					}
					return answer{verdict: a.Verdict, order: a.Order}
				})
				continue
			}
			if r.do(c, o, func() answer { return reserve(t, g, o) }).verdict != inventory.Reserved {
				continue
			}
			back := o
			if back.kind = "give back"; random.IntN(3) == 0 {
				back.kind = "confirm"
			}
			r.do(c, back, func() answer { return settle(t, g, back, back.kind == "confirm") })
		}
	})
	return r.events
}

// keyState is which order each key has.
type keyState [3]id.Order

// keyModel keeps the keys of the customer; as many keys have an order as units of the allowance are used. Nothing of it may be
// late.
func keyModel(bool) porcupine.Model {
	return porcupine.Model{
		Init: func() any { return keyState{} },
		Step: func(state, input, output any) (bool, any) {
			s, in, out := state.(keyState), input.(operation), output.(answer)
			k := in.key[1] - '0'
			used := 0
			for _, o := range s {
				if o != 0 {
					used++
				}
			}
			switch {
			case in.kind == "give back":
				s[k] = 0
				return true, s
			case in.kind == "confirm":
				return true, s
			case s[k] != 0:
				return out.verdict == inventory.Replay && out.order == s[k], s
			case in.kind == "find":
				return out.verdict == inventory.KeyUnknown, s
			case used >= keyLimit:
				return out.verdict == inventory.LimitReached, s
			}
			s[k] = in.order
			return out.verdict == inventory.Reserved, s
		},
		DescribeOperation: describe,
	}
}
