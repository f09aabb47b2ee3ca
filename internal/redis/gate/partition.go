package gate

import (
	"cmp"
	"slices"
	"strconv"
	"sync"

	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/id"
)

// A partition is the data of one script: all keys of a sale, or of a share of the general pools. Its keys share one
// Cluster slot. The name of the head depends on the partition only; the names of the other keys contain the epoch, so
// that a process never touches the data of another epoch.
//
//	head          hash: epoch, open, limit, version, position, placed, and s<SKU>: units available
//	customers     hash: <customer>: "used orders" in a sale; <customer>:<key>: body and order
//	reservations  hash: <order>: "deadline customer sku:units,sku:units, key", or "confirmed"
//	holders       list: the customers of a sale, in the order of their first reservation
type partition struct {
	sale  id.Sale // zero for a general partition
	index int     // of a general partition
	kind  string  // "1" for a sale, "0" for a general partition, as the scripts expect it
	head  string
	// ordersMax is the limit of orders for one customer, as reserve.lua expects it. General partitions do not count
	// orders.
	ordersMax string

	customers, reservations, holders string

	reserve, find, settle, apply, placed []string // the keys of each script
	claimQueue                           claimQueue
	soldOut                              soldOut
}

// generalPartitions is the number of partitions that share the general pools. One for each SKU of a catalogue would be
// too many to check; sixteen still spread over the masters of a small Cluster.
const generalPartitions = 16

// generalIndex returns the general partition of a SKU. It hashes the id, because the low bits only number the ids of
// one millisecond and would not spread.
func generalIndex(sku id.SKU) int {
	return int((uint64(sku) * 0x9E3779B97F4A7C15) >> 60)
}

// epoch is a process's view of one epoch.
type epoch struct {
	number int64
	text   string // the number, as the scripts expect it
	prefix string
	mark   string
	// position is the outbox position when this process adopted the epoch.
	position int64
	general  [generalPartitions]*partition
	sales    sync.Map // id.Sale to *partition
}

func newEpoch(prefix string, number int64) *epoch {
	t := &epoch{number: number, text: strconv.FormatInt(number, 10), prefix: prefix, mark: prefix + ":mark"}
	for i := range t.general {
		t.general[i] = t.newPartition("g"+strconv.Itoa(i), "0")
		t.general[i].index = i
	}
	return t
}

func (t *epoch) newPartition(name, kind string) *partition {
	base := t.prefix + ":{" + name + "}:"
	r := &partition{kind: kind, head: base + "head", ordersMax: "0"}
	base += t.text + ":"
	r.customers, r.reservations, r.holders = base+"customers", base+"reservations", base+"holders"
	r.reserve = []string{r.head, r.customers, r.reservations, r.holders}
	r.find = r.reserve[:3]
	r.settle = r.reserve[:3]
	r.apply = []string{r.head, r.customers, r.holders}
	r.placed = r.reserve
	return r
}

// sale returns the partition of a sale.
func (t *epoch) sale(s id.Sale) *partition {
	if r, ok := t.sales.Load(s); ok {
		return r.(*partition)
	}
	r := t.newPartition("s"+s.String(), "1")
	r.sale, r.ordersMax = s, strconv.Itoa(inventory.OrdersMax)
	kept, _ := t.sales.LoadOrStore(s, r)
	return kept.(*partition)
}

// pool returns the partition of a pool.
func (t *epoch) pool(p inventory.Pool) *partition {
	if p.Sale != 0 {
		return t.sale(p.Sale)
	}
	return t.general[generalIndex(p.SKU)]
}

// partitionLines is the part of a claim in one partition.
type partitionLines struct {
	partition *partition
	lines     []inventory.Line
}

// split groups lines by partition, sorted. A sale has one partition; general stock may need one for each SKU.
func (t *epoch) split(s id.Sale, lines []inventory.Line) []partitionLines {
	if s != 0 {
		return []partitionLines{{t.sale(s), lines}}
	}
	var all []partitionLines
	for _, l := range lines {
		r := t.general[generalIndex(l.SKU)]
		i := slices.IndexFunc(all, func(s partitionLines) bool { return s.partition == r })
		if i < 0 {
			i = len(all)
			all = append(all, partitionLines{partition: r})
		}
		all[i].lines = append(all[i].lines, l)
	}
	slices.SortFunc(all, func(x, y partitionLines) int { return cmp.Compare(x.partition.index, y.partition.index) })
	return all
}
