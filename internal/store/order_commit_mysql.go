package store

import (
	"encoding/hex"
	"strconv"

	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/order"
	"github.com/tidegate/tidegate/internal/store/engine"
	"github.com/tidegate/tidegate/internal/store/mysql"
)

// mysqlBatch is a batch on MySQL.
type mysqlBatch struct {
	*lockingBatch
	my *mysql.Tx
}

// commitMySQL commits a batch concurrently with others. It uses as few statements as there are tables and takes the hot
// pools last. What a single statement guards on SQLite takes a lock here. All batches take locks in this order, so two
// batches wait for each other at the first lock and do not deadlock:
//
//  1. the refusals of queued orders (declined);
//  2. the allowances of the customers of general stock and of sales with a limit, by sale and customer (lockBuyers);
//  3. the orders' own rows and keys (insertAll, which goes ahead of the pools);
//  4. the pools, by sale and SKU (reservePools): the hot rows, held from here to the COMMIT.
//
// The terms of the sales are assumed at first and read once the pools are locked (termsHold): a transaction that
// changes them locks the pools too. Ledger and outbox travel in the packet of the COMMIT.
func commitMySQL(common *batch) error {
	b := mysqlBatch{&lockingBatch{batch: common}, common.tx.Tx.(*mysql.Tx)}
	apart, err := b.declined()
	if err != nil {
		return err
	}
	if !apart {
		whole, err := b.together()
		if err != nil {
			return err
		}
		apart = !whole
	}
	if apart {
		if err := b.tx.Restart(); err != nil {
			return err
		}
		if err := b.apart(b.insert); err != nil {
			return err
		}
	}
	b.record()
	return b.decline()
}

// together inserts every order and takes the stock of all. It returns false if the drafts must be decided one by one:
// because of a limit, a changed sale, a pool with too little for all, or a used key, which the statement for the pools
// reports.
func (b *mysqlBatch) together() (bool, error) {
	if err := b.assumeTerms(); err != nil {
		return false, err
	}
	if !b.takeAll() {
		return false, nil
	}
	if err := b.lockBuyers(); err != nil {
		return false, err
	}
	if !b.withinLimits() {
		return false, nil
	}
	b.insertAll()
	ok, err := b.reservePools(b.taken)
	if b.tx.refusedBy(engine.Unique, err) {
		return false, nil
	}
	if err != nil || !ok {
		return false, err
	}
	if ok, err = b.termsHold(); err != nil || !ok {
		return false, err
	}
	refused, err := b.readFences() // after the inserts
	return !refused, err
}

const insertOrders = `
	INSERT INTO orders (id, sale_id, customer_id, idem_key, body_hash, ` + "`lines`" + `, units, total, currency, created_at, expires_at, status)
	VALUES `

const orderPlaces = "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'pending')"

// insertAll inserts every order. The statements travel with the one that takes stock.
func (b *mysqlBatch) insertAll() {
	text := make([]byte, 0, len(insertOrders)+orderTextBytes*len(b.drafts))
	text = append(text, insertOrders...)
	for i, d := range b.drafts {
		if i > 0 {
			text = append(text, ", "...)
		}
		text = appendOrder(text, d)
	}
	b.my.AheadText(text)
}

// orderTextBytes is enough for most orders of one line, as appendOrder writes them.
const orderTextBytes = 320

// appendOrder appends the SQL values of an order, in the order of orderPlaces. The text of a batch is tens of
// kilobytes; built here it costs half of what it costs through the driver, which boxes each value. Text that a shopper
// may have chosen is written in hexadecimal.
func appendOrder(b []byte, d *order.Draft) []byte {
	o, c := &d.Order, &d.Claim
	b = strconv.AppendInt(append(b, '('), int64(o.ID), 10)
	b = strconv.AppendInt(append(b, ", "...), int64(c.Sale), 10)
	b = strconv.AppendInt(append(b, ", "...), int64(c.Customer), 10)
	b = hex.AppendEncode(append(b, ", x'"...), []byte(c.Key))
	b = hex.AppendEncode(append(b, "', x'"...), c.Body[:])
	b = append(b, "', '"...)
	b = append(b, d.LinesJSON...) // numbers, commas and brackets only
	b = strconv.AppendInt(append(b, "', "...), o.Units, 10)
	b = strconv.AppendInt(append(b, ", "...), o.Total.Minor, 10)
	b = hex.AppendEncode(append(b, ", x'"...), []byte(o.Total.Currency))
	b = strconv.AppendInt(append(b, "', "...), millis(o.CreatedAt), 10)
	b = strconv.AppendInt(append(b, ", "...), millis(o.ExpiresAt), 10)
	return append(b, ", 'pending')"...)
}

func (b *mysqlBatch) orderArgs(args []any, d *order.Draft) []any {
	o, c := &d.Order, &d.Claim
	return append(args, o.ID, c.Sale, c.Customer, c.Key, c.Body[:], string(d.LinesJSON), o.Units, o.Total.Minor, string(o.Total.Currency),
		millis(o.CreatedAt), millis(o.ExpiresAt))
}

// insert inserts the order of draft i or records a refusal. The caller rolls back what a refused draft has inserted.
func (b *mysqlBatch) insert(i int) error {
	d := b.drafts[i]
	if over := b.overLimit(d); over.Result != order.Accepted {
		b.outcomes[i] = over
		return nil
	}
	_, err := b.tx.Exec(insertOrders+orderPlaces, b.orderArgs(nil, d)...)
	switch {
	case b.tx.refusedBy(engine.Unique, err) && mysql.OnPrimary(err):
		b.outcomes[i].Result = order.Collision
	case b.tx.refusedBy(engine.Unique, err):
		b.outcomes[i].Result = order.Replayed
	case err != nil:
		return err
	default:
		b.outcomes[i].Result = b.checkTerms(d)
	}
	return nil
}

// record writes the accepted orders to the ledger and the outbox, one row each, together with the COMMIT. It notes an
// order by which a lost COMMIT can be checked.
func (b *mysqlBatch) record() {
	placed := b.placed()
	if placed.accepted == 0 {
		return
	}
	b.my.AskByOrder(b.accepted())
	one, list := b.reservedRow()
	var pools any // nil becomes NULL
	if list != nil {
		pools = list
	}
	b.my.Ahead(insertReserved, int64(id.New[id.Movement](b.mint)), int64(one.Sale), int64(one.SKU), one.Units, placed.at, pools)
	b.my.Ahead(insertOutbox, b.tx.s.ids.Next(), int64(placed.accepted), order.EventPlaced, int64(placed.sale), placed.payload, placed.at)
}

// reservePools reserves stock of pools, which must be sorted. It returns false if a pool is closed or has too little.
// One statement updates the pools of a sale in key order: two batches that use the same pools wait for each other at
// the first one. From there to the commit a batch holds the hot row for one round trip, in which the terms are read.
func (b *mysqlBatch) reservePools(pools []inventory.Quantity) (bool, error) {
	all := true
	err := eachPools(pools, func(part []inventory.Quantity) error {
		if !all {
			return nil
		}
		take := append(make([]byte, 0, 32+48*len(part)), "CASE sku_id"...)
		for _, p := range part {
			take = strconv.AppendInt(append(take, " WHEN "...), int64(p.SKU), 10)
			take = strconv.AppendInt(append(take, " THEN "...), p.Units, 10)
		}
		take = append(take, " END"...)
		text := append(make([]byte, 0, 256+2*len(take)+24*len(part)), "UPDATE stock FORCE INDEX (PRIMARY) SET reserved = reserved + "...)
		text = append(append(text, take...), " WHERE sale_id = "...)
		text = append(strconv.AppendInt(text, int64(part[0].Sale), 10), " AND sku_id IN ("...)
		for i, p := range part {
			if i > 0 {
				text = append(text, ", "...)
			}
			text = strconv.AppendInt(text, int64(p.SKU), 10)
		}
		text = append(append(text, ") AND closed_at = 0 AND on_hand - reserved >= "...), take...)
		n, err := b.my.ExecText(string(text))
		all = n == int64(len(part))
		return err
	})
	return all, err
}

// lockAllowancesMySQL implements lockAllowances on MySQL, where an updated row counts twice.
func lockAllowancesMySQL(tx *Tx, s id.Sale, customers []id.Customer) (before bool, err error) {
	text := make([]byte, 0, 128+48*len(customers))
	text = append(text, "INSERT INTO allowance (sale_id, customer_id, batches) VALUES "...)
	for i, c := range customers {
		if i > 0 {
			text = append(text, ", "...)
		}
		text = strconv.AppendInt(append(text, '('), int64(s), 10)
		text = strconv.AppendInt(append(text, ", "...), int64(c), 10)
		text = append(text, ", 1)"...)
	}
	n, err := tx.Tx.(*mysql.Tx).ExecText(string(append(text, " ON DUPLICATE KEY UPDATE batches = batches + 1"...)))
	return n != int64(len(customers)), err
}
