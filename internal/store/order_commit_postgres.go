package store

import (
	"errors"
	"slices"

	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/order"
	"github.com/tidegate/tidegate/internal/store/postgres"
)

// postgresBatch is a batch on PostgreSQL.
type postgresBatch struct {
	*lockingBatch
	pg *postgres.Tx
}

// commitPostgres commits a batch concurrently with others. An error would end the transaction, so no key may cause one:
// an INSERT keeps an existing row and reports its count. All batches take locks in this order:
//
//  1. the intents of queued orders (lockIntents), by their id;
//  2. the allowances of the customers of general stock and of sales with a limit, by sale and customer (lockBuyers);
//  3. the orders' own rows and keys;
//  4. the pools, by sale and SKU, those of general stock last: the hot rows, held from here to the COMMIT.
//
// The terms of the sales are assumed at first and read once the pools are locked: a transaction that changes them locks
// the pools too. Orders, pools and terms take one round trip; ledger, outbox and COMMIT take another.
func commitPostgres(common *batch) error {
	b := postgresBatch{&lockingBatch{batch: common}, common.tx.Tx.(*postgres.Tx)}
	queued := b.queued(func(order.Outcome) bool { return true })
	if err := b.tx.lockIntents(queued); err != nil {
		return err
	}
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
		if err := b.tx.lockIntents(queued); err != nil { // those locks ended with the transaction
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
// because of a limit, a changed sale, a used or refused key, or a pool with too little for all.
func (b *postgresBatch) together() (bool, error) {
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
	var inserted, pools int64
	send := []postgres.Statement{b.insertAll(&inserted)}
	_ = eachPools(b.taken, func(part []inventory.Quantity) error {
		send = append(send, b.takePools(part, &pools)...)
		return nil
	})
	before := b.terms
	read, later := b.termsAgain()
	if err := b.pg.Send(append(send, read...)...); err != nil {
		return false, err
	}
	if inserted < int64(len(b.drafts)) || pools < int64(len(b.taken)) {
		b.terms = before
		return false, nil
	}
	var same bool
	var err error
	if later {
		b.terms = before
		same, err = b.termsHold()
	} else {
		b.tx.s.assumed.keep(b.terms)
		same, err = b.sameTerms(before)
	}
	if err != nil || !same {
		return false, err
	}
	refused, err := b.readFences() // after the inserts
	return !refused, err
}

// insertOrdersTogether inserts orders column by column, so that one statement serves every number of orders.
const insertOrdersTogether = `
	INSERT INTO orders (id, sale_id, customer_id, idem_key, body_hash, "lines", units, total, currency, created_at, expires_at, status)
	SELECT *, 'pending'
	FROM UNNEST(?::BIGINT[], ?::BIGINT[], ?::BIGINT[], ?::TEXT[], ?::BYTEA[], ?::TEXT[], ?::BIGINT[], ?::BIGINT[], ?::TEXT[], ?::BIGINT[], ?::BIGINT[])
	ON CONFLICT DO NOTHING`

func (b *postgresBatch) insertAll(inserted *int64) postgres.Statement {
	n := len(b.drafts)
	var numbers [7][]int64 // id, sale, customer, units, total, created, expires
	for i := range numbers {
		numbers[i] = make([]int64, n)
	}
	keys, lines, currencies, bodies := make([]string, n), make([]string, n), make([]string, n), make([][]byte, n)
	for i, d := range b.drafts {
		o, c := &d.Order, &d.Claim
		for column, v := range [...]int64{int64(o.ID), int64(c.Sale), int64(c.Customer), o.Units, o.Total.Minor, millis(o.CreatedAt), millis(o.ExpiresAt)} {
			numbers[column][i] = v
		}
		keys[i], bodies[i], lines[i], currencies[i] = c.Key, c.Body[:], string(d.LinesJSON), string(o.Total.Currency)
	}
	return postgres.Statement{Text: insertOrdersTogether, Count: inserted, Args: []any{
		numbers[0], numbers[1], numbers[2], keys, bodies, lines, numbers[3], numbers[4], currencies, numbers[5], numbers[6]}}
}

const (
	// holdPoolsInOrder fixes the order in which an UPDATE locks several rows.
	holdPoolsInOrder = `
		SELECT sku_id
		FROM stock
		WHERE sale_id = ?
		  AND sku_id = ANY (?::BIGINT[])
		ORDER BY sku_id
		FOR NO KEY UPDATE`
	reservePoolsTogether = `
		UPDATE stock AS s
		SET reserved = s.reserved + wanted.units
		FROM UNNEST(?::BIGINT[], ?::BIGINT[]) AS wanted (sku_id, units)
		WHERE s.sale_id = ?
		  AND s.sku_id = wanted.sku_id
		  AND s.closed_at = 0
		  AND s.on_hand - s.reserved >= wanted.units`
)

// takePools reserves stock of one sale's pools, which must be sorted. taken receives the number of pools that had
// enough.
func (b *postgresBatch) takePools(part []inventory.Quantity, taken *int64) []postgres.Statement {
	skus, units := make([]int64, len(part)), make([]int64, len(part))
	for i, p := range part {
		skus[i], units[i] = int64(p.SKU), p.Units
	}
	sale := int64(part[0].Sale)
	reserve := postgres.Statement{Text: reservePoolsTogether, Args: []any{skus, units, sale}, Add: taken}
	if len(part) == 1 {
		return []postgres.Statement{reserve}
	}
	return []postgres.Statement{{Text: holdPoolsInOrder, Args: []any{sale, skus}}, reserve}
}

// salesTogetherMax bounds the sales whose terms share the round trip. Most batches are of one sale.
const salesTogetherMax = 8

// termsAgain returns statements that read the terms into b.terms and b.now. If they are to be read later, it returns
// true and no statements.
func (b *postgresBatch) termsAgain() (read []postgres.Statement, later bool) {
	if len(b.terms) > salesTogetherMax {
		return nil, true
	}
	sales := make([]id.Sale, 0, len(b.terms))
	for s := range b.terms {
		sales = append(sales, s)
	}
	slices.Sort(sales)
	b.terms, b.now = map[id.Sale]terms{}, 0
	for _, s := range sales {
		if s == 0 {
			b.terms[0] = terms{open: true}
			continue
		}
		b.terms[s] = terms{}
		read = append(read, postgres.Statement{Text: b.tx.sql(selectTerms), Args: []any{int64(s)}, Row: func(scan func(into ...any) error) error {
			var status string
			var t terms
			err := scan(&status, &t.version, &t.limit, &b.now, &b.fence, &b.epoch)
			t.open = status == "scheduled" || status == "live"
			b.terms[s] = t
			return err
		}})
	}
	if len(read) == 0 && slices.ContainsFunc(b.drafts, fenceable) {
		read = append(read, postgres.Statement{Text: "SELECT " + b.tx.sql(clockMillis) + ", " + b.tx.sql(newestFences), Row: func(scan func(into ...any) error) error {
			return scan(&b.now, &b.fence, &b.epoch)
		}})
	}
	return read, false
}

// insert inserts the order of draft i or records a refusal. The caller rolls back what a refused draft has inserted.
func (b *postgresBatch) insert(i int) error {
	d := b.drafts[i]
	if over := b.overLimit(d); over.Result != order.Accepted {
		b.outcomes[i] = over
		return nil
	}
	one := postgresBatch{&lockingBatch{batch: &batch{tx: b.tx, drafts: b.drafts[i : i+1]}}, b.pg}
	var inserted int64
	if err := b.pg.Send(one.insertAll(&inserted)); err != nil {
		return err
	}
	if inserted == 1 {
		b.outcomes[i].Result = b.checkTerms(d)
		return nil
	}
	_, _, err := scanKeyed(b.tx.row(orderByKey, d.Claim.Sale, d.Claim.Customer, d.Claim.Key))
	switch {
	case errors.Is(err, fault.NotFound): // the conflict was the id
		b.outcomes[i].Result = order.Collision
		return nil
	case err != nil:
		return err
	}
	b.outcomes[i].Result = order.Replayed
	return nil
}

// record writes the accepted orders to the ledger and the outbox, one row each, together with the COMMIT. It notes an
// order by which a lost COMMIT can be checked.
func (b *postgresBatch) record() {
	placed := b.placed()
	if placed.accepted == 0 {
		return
	}
	b.pg.AskByOrder(b.accepted())
	one, list := b.reservedRow()
	var pools any // nil becomes NULL
	if list != nil {
		pools = string(list)
	}
	b.pg.Ahead(insertReserved, int64(id.New[id.Movement](b.mint)), int64(one.Sale), int64(one.SKU), one.Units, placed.at, pools)
	b.pg.Ahead(insertOutbox, b.tx.s.ids.Next(), int64(placed.accepted), order.EventPlaced, int64(placed.sale), placed.payload, placed.at)
}

// lockAllowancesPostgres implements lockAllowances on PostgreSQL, where an existing row has a count from before.
func lockAllowancesPostgres(tx *Tx, s id.Sale, customers []id.Customer) (before bool, err error) {
	sorted := make([]int64, len(customers))
	for i, c := range customers {
		sorted[i] = int64(c)
	}
	err = tx.Tx.(*postgres.Tx).Send(postgres.Statement{Args: []any{int64(s), sorted}, Text: `
		INSERT INTO allowance (sale_id, customer_id, batches)
		SELECT ?, customer_id, 1
		FROM UNNEST(?::BIGINT[]) AS wanted (customer_id)
		ORDER BY customer_id
		ON CONFLICT (sale_id, customer_id) DO UPDATE SET batches = allowance.batches + 1
		RETURNING batches`, Row: func(scan func(into ...any) error) error {
		var batches int64
		err := scan(&batches)
		before = before || batches > 1
		return err
	}})
	return before, err
}

// lockIntentsPostgres implements lockIntents on PostgreSQL, where a transaction neither sees nor waits for another's
// uncommitted row.
func lockIntentsPostgres(tx *Tx, sorted []int64) error {
	return tx.Tx.(*postgres.Tx).Send(postgres.Statement{Args: []any{sorted}, Text: `
		SELECT PG_ADVISORY_XACT_LOCK(intent)
		FROM UNNEST(?::BIGINT[]) AS intent`})
}
