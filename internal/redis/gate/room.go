package gate

import (
	"cmp"
	"slices"
	"strconv"
	"sync"

	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/id"
)

// A room is what one script sees: all keys of a sale, or of a part of the general pools. Its keys lie on one slot of a
// Cluster. The head is found by the name of the room alone; the other keys carry the epoch in their names too, so that what
// was built for another epoch is never touched.
//
//	head          hash: epoch, open, limit, version, position, placed, and s<SKU>: units available
//	customers     hash: <customer>: "used orders" in a sale; <customer>:<key>: body and order
//	reservations  hash: <order>: "deadline customer sku:units,sku:units, key", or "confirmed"
//	holders       list: the customers of a sale, as each comes to hold something
type room struct {
	sale id.Sale // zero: general
	part int     // of the general pools
	kind string  // "1" for a sale, "0" for a general room: as the scripts take it
	head string
	// ordersMax is how many orders a customer may place, as reserve.lua takes it: none of a general room counts them.
	ordersMax string

	customers, reservations, holders string

	reserve, find, settle, apply, placed []string // the keys of each script
	asking                               asking
	soldOut                              soldOut
}

// generalRooms is how many rooms share the general pools. A catalogue has more SKUs than anyone wants to look after one by
// one; a Cluster of a few masters still gets its share each.
const generalRooms = 16

// part returns the general room of a SKU. The low bits of an id count ids of one millisecond: they alone would not spread.
func part(sku id.SKU) int {
	return int((uint64(sku) * 0x9E3779B97F4A7C15) >> 60)
}

// term is what a process holds of one epoch.
type term struct {
	number int64
	epoch  string // the number, as the scripts take it
	prefix string
	mark   string
	// position is how far the outbox was carried out when this process took the epoch up.
	position int64
	parts    [generalRooms]*room
	sales    sync.Map // id.Sale to *room
}

func newTerm(prefix string, number int64) *term {
	t := &term{number: number, epoch: strconv.FormatInt(number, 10), prefix: prefix, mark: prefix + ":mark"}
	for i := range t.parts {
		t.parts[i] = t.newRoom("g"+strconv.Itoa(i), "0")
		t.parts[i].part = i
	}
	return t
}

func (t *term) newRoom(name, kind string) *room {
	base := t.prefix + ":{" + name + "}:"
	r := &room{kind: kind, head: base + "head", ordersMax: "0"}
	base += t.epoch + ":"
	r.customers, r.reservations, r.holders = base+"customers", base+"reservations", base+"holders"
	r.reserve = []string{r.head, r.customers, r.reservations, r.holders}
	r.find = r.reserve[:2]
	r.settle = r.reserve[:3]
	r.apply = []string{r.head, r.customers, r.holders}
	r.placed = r.reserve
	return r
}

// sale returns the room of a sale.
func (t *term) sale(s id.Sale) *room {
	if r, ok := t.sales.Load(s); ok {
		return r.(*room)
	}
	r := t.newRoom("s"+s.String(), "1")
	r.sale, r.ordersMax = s, strconv.Itoa(inventory.OrdersMax)
	kept, _ := t.sales.LoadOrStore(s, r)
	return kept.(*room)
}

// pool returns the room of a pool.
func (t *term) pool(p inventory.Pool) *room {
	if p.Sale != 0 {
		return t.sale(p.Sale)
	}
	return t.parts[part(p.SKU)]
}

// share is the part of a claim that lies in one room.
type share struct {
	room  *room
	lines []inventory.Line
}

// shares splits lines by their rooms, sorted: one room for a sale, and for general stock as many as its SKUs are spread over.
func (t *term) shares(s id.Sale, lines []inventory.Line) []share {
	if s != 0 {
		return []share{{t.sale(s), lines}}
	}
	var all []share
	for _, l := range lines {
		r := t.parts[part(l.SKU)]
		i := slices.IndexFunc(all, func(s share) bool { return s.room == r })
		if i < 0 {
			i = len(all)
			all = append(all, share{room: r})
		}
		all[i].lines = append(all[i].lines, l)
	}
	slices.SortFunc(all, func(x, y share) int { return cmp.Compare(x.room.part, y.room.part) })
	return all
}
