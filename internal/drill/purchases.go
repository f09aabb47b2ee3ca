package drill

import (
	"strconv"
	"sync"

	"github.com/tidegate/tidegate/api"
)

// Outcome is the last answer to a purchase, however often it was asked for.
type Outcome uint8

// The outcomes.
const (
	NotSent     Outcome = iota
	InFlight            // asked, and not answered yet
	Accepted            // 201
	SoldOut             // 409 sold_out
	Limited             // 409 limit_reached
	Closed              // the sale has ended, or rests
	Failed              // 5xx or 429 as often as it was asked
	Undecided           // 202 to the end
	Queued              // 202 with the promise that it will be decided, and not decided yet
	Refused             // anything else: the drill and the shop do not understand each other
	outcomes            // how many there are
	outcomeMask = 0x0f
)

// Flags kept with an outcome.
const (
	markWrongPrice = 0x10
	markPaid       = 0x20 // the shop said that it is paid
	markCancelled  = 0x40 // the shop said that it is cancelled
	markDenied     = 0x80 // accepted, and denied to the same key later; or taken with another body
)

// PurchaseLog records every answer of one sale. A purchase is a shopper and a key: its number is the shopper's
// times Keys plus the key's. Nine bytes each, so that a million shoppers fit. Different purchases may be written
// concurrently; it is read when the load is over.
type PurchaseLog struct {
	Sale     api.Rehearsal
	Shoppers int
	Keys     int // purchases a shopper may try
	// UnitsPerOrder is what a purchase asks for, and GreedyUnits what a shopper's second one does where it is not zero.
	UnitsPerOrder int
	GreedyUnits   int
	Seed          uint64

	state []uint8
	order []int64
	// stray holds second orders of a purchase: its key got two. Guarded by mu.
	mu    sync.Mutex
	stray []stray
}

type stray struct {
	purchase int
	order    int64
}

func newPurchaseLog(sale api.Rehearsal, keys, unitsPerOrder, greedyUnits int, seed uint64) *PurchaseLog {
	n := sale.Shoppers * keys
	return &PurchaseLog{
		Sale: sale, Shoppers: sale.Shoppers, Keys: keys, UnitsPerOrder: unitsPerOrder, GreedyUnits: greedyUnits, Seed: seed,
		state: make([]uint8, n), order: make([]int64, n),
	}
}

// Outcome returns the purchase's outcome.
func (b *PurchaseLog) Outcome(purchase int) Outcome { return Outcome(b.state[purchase] & outcomeMask) }

func (b *PurchaseLog) set(purchase int, o Outcome) {
	b.state[purchase] = b.state[purchase]&^outcomeMask | uint8(o)
}

func (b *PurchaseLog) addStray(purchase int, order int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stray = append(b.stray, stray{purchase, order})
}

func (b *PurchaseLog) mark(purchase int, mark uint8) { b.state[purchase] |= mark }

// requested returns what the purchase asks for: the index of the SKU, and units.
func (b *PurchaseLog) requested(purchase int) (sku, units int) {
	sku = int(mix(b.Seed, uint64(purchase)) % uint64(len(b.Sale.SkuIds)))
	if b.greedy(purchase) {
		return sku, b.GreedyUnits
	}
	return sku, b.UnitsPerOrder
}

// greedy reports whether the purchase is the second one of a shopper who wants more than the limit.
func (b *PurchaseLog) greedy(purchase int) bool { return b.GreedyUnits > 0 && purchase%b.Keys == 1 }

// keyPrefix begins the Idempotency-Keys of drills; the purchase's number follows.
const keyPrefix = "drill-"

func appendKey(b []byte, purchase int) []byte {
	return strconv.AppendInt(append(b, keyPrefix...), int64(purchase), 10)
}

// purchaseOf returns the purchase of a key; false if the drill did not make the key.
func (b *PurchaseLog) purchaseOf(key string) (int, bool) {
	if len(key) <= len(keyPrefix) || key[:len(keyPrefix)] != keyPrefix {
		return 0, false
	}
	n, err := strconv.Atoi(key[len(keyPrefix):])
	if err != nil || n < 0 || n >= len(b.state) || string(appendKey(nil, n)) != key {
		return 0, false
	}
	return n, true
}

// count returns how many purchases have each outcome.
func (b *PurchaseLog) count() [outcomes]int {
	var n [outcomes]int
	for _, s := range b.state {
		n[s&outcomeMask]++
	}
	return n
}

// mix is splitmix64 (Steele, Lea, Flood 2014) of a seed and a number: dice that fall alike in every run.
func mix(seed, n uint64) uint64 {
	z := seed*0x9e3779b97f4a7c15 + (n+1)*0xbf58476d1ce4e5b9
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// chance reports whether the dice of a purchase fall within a share, independently for each kind of question.
func (b *PurchaseLog) chance(purchase int, question uint64, share float64) bool {
	return dice(b.Seed, purchase, question) < share
}

func dice(seed uint64, purchase int, question uint64) float64 {
	return float64(mix(seed+question<<32, uint64(purchase))>>11) / (1 << 53)
}
