package main

// The tests that catch more than one bug.
const (
	simulation = "./test/simulation"
	seeds      = "TestSeeds"
	binary     = "./cmd/tidegate"
	drill      = "TestADrillOfACrowd"
)

// bugs are what is planted. Each names the invariant or the pitfall that it breaks.
var bugs = []bug{
	{
		name:   "I1 P9: the guard of the stock is gone",
		edits:  []edit{{"internal/store/stock.go", "		  AND on_hand - reserved >= ?\n", "		  AND 0 < ?\n"}},
		folder: "./internal/store", run: "TestSQLite",
	},
	{
		name:   "I1 P9: the guard of the stock is gone where a batch takes it",
		edits:  []edit{{"internal/store/stock.go", "		  AND on_hand - reserved >= ?1\n", "		  AND 0 < ?1\n"}},
		folder: "./internal/store", run: "TestSQLite",
	},
	{
		name:   "I17 P34: a commit takes units of a pool that is closed",
		edits:  []edit{{"internal/store/stock.go", "		  AND on_hand - reserved >= ?1\n		  AND closed_at = 0`", "		  AND on_hand - reserved >= ?1`"}},
		folder: "./internal/store", run: "TestSQLite/suite/selling",
	},
	{
		name:   "I17 P34: a product is deleted under the sale that sells it",
		edits:  []edit{{"internal/store/selling.go", "	if len(stopped) == 0 {", "	if len(stopped) >= 0 {"}},
		folder: "./internal/store", run: "TestSQLite/suite/selling",
	},
	{
		name:   "I17 P34: what comes free of a stopped item stays in the sale",
		edits:  []edit{{"internal/store/selling.go", "		  AND closed_at <> 0`", "		  AND closed_at < 0`"}},
		folder: "./internal/store", run: "TestSQLite/suite/selling",
	},
	{
		name:   "I1: a row of stock is taken for the pool that it once was",
		edits:  []edit{{"internal/store/stock.go", "		  AND sale_id = ?3\n		  AND sku_id = ?4\n", "		  AND ?3 <> ?4\n"}},
		folder: "./internal/store", run: "TestStockRowsThatMoved",
	},
	{
		name:   "I11: the witness of a lost COMMIT goes in the packet of the COMMIT",
		edits:  []edit{{"internal/store/mysql/tx.go", "tx.of.Writers().IDs, tx.Exec)", "tx.of.Writers().IDs, func(text string, args ...any) (int64, error) { tx.Ahead(text, args...); return 0, nil })"}},
		folder: "./internal/store", run: "TestMySQLLostCommit",
	},
	{
		name:   "I11 P32: a refusal in doubt is said before it is certain",
		edits:  []edit{{"internal/order/record_refusal.go", "	out, err := s.refusals.write(ctx, c)\n", "	out, err := s.store.Probe(ctx, c)\n"}},
		folder: "./internal/order", run: "TestARefusalIsCertain",
	},
	{
		name:   "I11 P32: a batch does not look for refusals of its keys when its orders are inserted",
		edits:  []edit{{"internal/store/order_commit_mysql.go", "	refused, err := b.readFences() // after the inserts\n	return !refused, err", "	return true, nil"}},
		folder: "./internal/store", run: "TestMySQLRefusalOrOrder|TestMySQLRefusalMeetsACommit",
	},
	{
		name:   "I11 P32: an order that is priced anew passes for one that was asked for after the refusal",
		edits:  []edit{{"internal/order/service.go", "Lines: r.Lines, Fence: r.fence}}", "Lines: r.Lines, Fence: s.fence.Load() + 1}}"}},
		folder: "./internal/order", run: "TestARefusalIsCertain",
	},
	{
		name:   "I11: a ticket of an order whose process died says undecided for ever",
		edits:  []edit{{"internal/order/read.go", "now.UnixMilli() <= t.Deadline", "now.UnixMilli() > 0"}},
		folder: "./internal/order", run: "TestATicketEnds",
	},
	{
		name:   "P16: expiry takes the locks of its orders as they come",
		edits:  []edit{{"internal/store/expiry.go", "tx.lockTrade(due, nil)", "tx.lockTrade(nil, nil)"}},
		folder: "./internal/store", run: "TestMySQLOneLockOrder",
	},
	{
		name:   "a second process has the database open",
		edits:  []edit{{"internal/store/sqlite/filelock.go", "if err := lockByteOf(file); err != nil {", "if err := lockByteOf(file); err != nil && path == \"\" {"}},
		folder: "./internal/store", run: "TestADatabaseIsOpenedOnce",
	},
	{
		name:   "secrets are stored in clear",
		edits:  []edit{{"internal/store/encryption.go", "return s.keys.Encrypt(text, endpointRow(e)), nil", "return text, nil"}},
		folder: "./internal/store", run: "TestSecretsAreEncrypted/SQLite",
	},
	{
		name:   "I11: the witness of a lost COMMIT on PostgreSQL goes with the COMMIT",
		edits:  []edit{{"internal/store/postgres/tx.go", "tx.of.Writers().IDs, tx.Exec)", "tx.of.Writers().IDs, func(text string, args ...any) (int64, error) { tx.Ahead(text, args...); return 0, nil })"}},
		folder: "./internal/store", run: "TestPostgreSQLLostCommit",
	},
	{
		name:   "I1: the guard of the stock is gone where a batch takes it on PostgreSQL",
		edits:  []edit{{"internal/store/order_commit_postgres.go", "		  AND s.on_hand - s.reserved >= wanted.units`", "		  AND 0 < wanted.units`"}},
		folder: "./internal/store", run: "TestPostgreSQL",
	},
	{
		name:   "P9: the gate counts below zero",
		edits:  []edit{{"internal/inventory/memory.go", "		if n < units {\n			return false", "		if n < 0 {\n			return false"}},
		folder: "./internal/inventory", run: "TestTakesNoMoreThanThereIs",
	},
	{
		name: "I2 P1: the log is not synced",
		edits: []edit{
			{"internal/store/sqlite/writer.go", `"synchronous(FULL)"`, `"synchronous(OFF)"`},
			{"internal/store/sqlite/writer.go", "sync < 2", "sync < 0"},
		},
		folder: "./test/crash", run: "TestEvery201FollowsTheSyncOfItsCommit",
	},
	{
		name:   "I2 P1: the answer does not wait for the commit",
		edits:  []edit{{"internal/order/committer.go", "	return t.wait(ctx)\n}\n\nfunc (c *Committer) enqueue", "	return Outcome{Result: Accepted}, nil\n}\n\nfunc (c *Committer) enqueue"}},
		folder: "./test/crash", run: "TestEvery201FollowsTheSyncOfItsCommit",
	},
	{
		name: "I3 P20: the unique key of orders is on the wrong columns",
		edits: []edit{
			{"internal/store/migrations/sqlite/00003_trade.sql", "UNIQUE (sale_id, customer_id, idem_key)", "UNIQUE (sale_id, customer_id, idem_key, id)"},
			{"internal/store/order_commit_sqlite.go", "ON CONFLICT (sale_id, customer_id, idem_key) DO NOTHING", "ON CONFLICT (sale_id, customer_id, idem_key, id) DO NOTHING"},
		},
		folder: "./internal/store", run: "TestSQLite",
	},
	{
		name:   "P20: the body under a key is not compared by the gate",
		edits:  []edit{{"internal/inventory/memory.go", "if k.body != c.Body {", "if false {"}},
		folder: "./internal/inventory", run: "TestMemoryGate",
	},
	{
		name:   "P20: the body under a key is not compared by the database",
		edits:  []edit{{"internal/store/order_commit.go", "case digest != c.Body:", "case digest != c.Body && c.Order == 0:"}},
		folder: "./internal/store", run: "TestSQLite",
	},
	{
		name:   "P10 P22: the key comes after the refusal",
		edits:  []edit{{"internal/inventory/memory.go", "return sh.refuse(c, refusal), nil", "return refusal, nil"}},
		folder: "./internal/inventory", run: "TestMemoryGate",
	},
	{
		name:   "I7 P19: the limit is not in the inserting statement",
		edits:  []edit{{"internal/store/order_commit_sqlite.go", ") <= ?12", ") <= ?12 + 1000000"}},
		folder: "./internal/store", run: "TestSQLite",
	},
	{
		name:   "P14: what a customer holds unpaid is not in the inserting statement",
		edits:  []edit{{"internal/store/order_commit_sqlite.go", "SELECT COUNT(*) < ?14 AND COALESCE(SUM(units), 0) + ?7 <= ?13", "SELECT COUNT(*) < ?14 + 1000000 AND COALESCE(SUM(units), 0) + ?7 <= ?13 + 1000000"}},
		folder: "./internal/store", run: "TestSQLite/suite/order",
	},
	{
		name:   "P14: what a customer holds unpaid is counted without a lock",
		edits:  []edit{{"internal/store/order_commit_locking.go", "		before, err := b.tx.lockAllowances(s, customers)\n		if err != nil {\n			return err\n		}\n", "		before := false\n		if s != 0 {\n			var err error\n			if before, err = b.tx.lockAllowances(s, customers); err != nil {\n				return err\n			}\n		}\n"}},
		folder: "./internal/store", run: "TestUnpaidAtTwoProcesses",
	},
	{
		name: "I7 P14: the limit is checked before the transaction",
		edits: []edit{
			{"internal/store/order_commit_sqlite.go", ") <= ?12", ") <= ?12 + 1000000"},
			{"internal/store/order_commit.go", "	var outcomes []order.Outcome\n	err := s.write(ctx, orders,", `	var outcomes []order.Outcome
	late := map[int]bool{}
	for i, d := range drafts {
		var used, most int64
		if err := s.queryRow(ctx, "SELECT COALESCE(SUM(units), 0) FROM orders WHERE sale_id = ? AND customer_id = ? AND status NOT IN ('expired', 'cancelled')", []any{d.Claim.Sale, d.Claim.Customer}, &used); err != nil {
			return nil, err
		}
		if err := s.queryRow(ctx, "SELECT COALESCE(MAX(limit_per_customer), 0) FROM sale WHERE id = ?", []any{d.Claim.Sale}, &most); err != nil {
			return nil, err
		}
		late[i] = most > 0 && used+d.Order.Units > most
	}
	err := s.write(ctx, orders,`},
			{"internal/store/order_commit.go", "		return s.ways.commit(b)\n	})", "		err := s.ways.commit(b)\n		for i := range late {\n			if late[i] && b.outcomes[i].Result == order.Accepted {\n				return errApart\n			}\n		}\n		return err\n	})"},
		},
		folder: "./internal/store", run: "TestSQLite",
	},
	{
		name:   "P15: two lines of one SKU are checked each by itself",
		edits:  []edit{{"internal/order/order.go", "	if len(lines) < 2 {\n		return lines\n	}", "	if len(lines) > 0 {\n		return lines\n	}"}},
		folder: "./internal/order", run: "TestPlace",
	},
	{
		name:   "P21: the list price is taken in a sale",
		edits:  []edit{{"internal/order/service.go", "o.add(i, l, item.Price, r)", "o.add(i, l, item.ListPrice, r)"}},
		folder: "./internal/order", run: "TestPlace",
	},
	{
		name:   "P21: X-Forwarded-For is believed of anybody",
		edits:  []edit{{"internal/wire/client.go", "	if !p.Trust(peer) {\n		return peer\n	}", ""}},
		folder: "./internal/httpapi", run: "TestClientAddress",
	},
	{
		name:   "P17: a reservation is given back twice",
		edits:  []edit{{"internal/inventory/memory.go", "	if !sh.forget(c) {", "	if sh.forget(c); false {"}},
		folder: "./internal/inventory", run: "TestMemoryGate",
	},
	{
		name:   "I8 P3: a refused order does not give its reservation back",
		edits:  []edit{{"internal/order/committer.go", "return out.Err == nil && out.Result == Accepted, true", "return out.Err == nil, true"}},
		folder: simulation, run: seeds,
	},
	{
		name:   "I11 P7: a client that goes away gives its reservation back",
		edits:  []edit{{"internal/order/committer.go", "	return t.wait(ctx)\n}\n\nfunc (c *Committer) enqueue", "	out, err := t.wait(ctx)\n	if errors.Is(err, ErrUndecided) {\n		_ = c.gate.Release(ctx, &d.Claim)\n	}\n	return out, err\n}\n\nfunc (c *Committer) enqueue"}},
		folder: "./internal/order", run: "TestClientThatGoesAway|TestAnswerUndecidedInTime|TestUnknownOutcome",
	},
	{
		name:   "I11 P7: an unknown outcome of a commit is taken for a failure",
		edits:  []edit{{"internal/order/committer.go", "	if errors.Is(err, fault.OutcomeUnknown) {", "	if false {"}},
		folder: "./internal/order", run: "TestUnknownOutcome",
	},
	{
		name:   "I11: an outcome that is not known in time is told as a failure",
		edits:  []edit{{"internal/order/service.go", "return s.answerLate(ctx, &d.Claim, d.Order.ID)", "return Placed{}, false, soldOut(0)"}},
		folder: "./internal/order", run: "TestAnswerUndecidedInTime",
	},
	{
		name:   "I11 P31: whoever repeats a key waits for the order that it had first",
		edits:  []edit{{"internal/order/replay.go", "			o, its = a.Order, s.reservingClaim(c, a)\n", "			its = s.reservingClaim(c, a)\n"}},
		folder: "./internal/order", run: "TestReplayFollowsTheKey",
	},
	{
		name:   "I11 P31: the database is not asked for the key before an order is answered as undecided",
		edits:  []edit{{"internal/order/replay.go", "	if placed, known, err := s.findByKey(ctx, c); known {\n		return placed, false, err\n	}\n	return s.undecided", "	return s.undecided"}},
		folder: "./internal/order", run: "TestReplayFollowsTheKey",
	},
	{
		name:   "I10: the gate carries out a change twice",
		edits:  []edit{{"internal/inventory/memory.go", "	m.ensure(changes)\n	for _, ch := range changes {\n		if ch.Position <= m.position {", "	m.ensure(changes)\n	for _, ch := range changes {\n		if false {"}},
		folder: "./internal/inventory", run: "TestMemoryGate",
	},
	{
		name:   "I10: the follower passes over a change",
		edits:  []edit{{"internal/inventory/follower.go", "f.position.Store(changes[len(changes)-1].Position)", "f.position.Store(changes[len(changes)-1].Position + 1)"}},
		folder: simulation, run: seeds,
	},
	{
		name:   "I10: a release has no row in the outbox",
		edits:  []edit{{"internal/store/stock.go", "	if d.OnHand == d.Reserved && allowance == 0 {", "	if d.OnHand == d.Reserved || m.Kind == inventory.Release {"}},
		folder: "./test/simulation/model", run: "TestTheModelIsTheDatabase",
	},
	{
		name:   "I4: an order's movement is not in the ledger",
		edits:  []edit{{"internal/store/stock.go", "	if err := tx.ledger(m); err != nil {\n		return err\n	}\n	if d.OnHand", "	if d.OnHand"}},
		folder: "./internal/store", run: "TestSQLite",
	},
	{
		name: "I5 P26: expiry does not ask the provider",
		edits: []edit{
			{"internal/store/expiry.go", "	if err != nil || live {\n		return false, err", "	if err != nil || live && now.IsZero() {\n		return false, err"},
			{"internal/store/expiry.go", "			  AND a.status IN ('starting', 'open')\n", "			  AND a.status = 'none'\n"},
		},
		folder: "./internal/store", run: "TestSQLite",
	},
	{
		name:   "I5: an order that costs something is paid as a free one",
		edits:  []edit{{"internal/store/payment.go", "		case o.Total.Minor != 0:\n", "		case o.Total.Minor < 0:\n"}},
		folder: "./internal/store", run: "TestSQLite",
	},
	{
		name:   "I5: a free order is paid after its end",
		edits:  []edit{{"internal/store/payment.go", "		case o.Status != order.Pending || !a.CreatedAt.Before(o.ExpiresAt):\n", "		case o.Status != order.Pending:\n"}},
		folder: "./internal/store", run: "TestSQLite",
	},
	{
		name:   "I5 P23: a late payment is dropped",
		edits:  []edit{{"internal/store/payment.go", "		return tx.requestSurplus(a, &o, s)", "		return nil"}},
		folder: "./internal/payment", run: "TestLate|TestDoublePayment",
	},
	{
		name:   "I5 P24: a refund is asked for under another key each time",
		edits:  []edit{{"internal/payment/refund.go", `return r.ID.String() + "-" + strconv.Itoa(r.Round)`, `return r.ID.String() + "-" + strconv.FormatInt(r.LookAt.UnixMilli(), 10)`}},
		folder: simulation, run: seeds,
	},
	{
		name: "I6 P17: a cancelled order is cancelled once more",
		edits: []edit{
			{"internal/order/order.go", "	Expired:   {Paid},", "	Expired:   {Paid},\n	Cancelled: {Cancelled},"},
			{"internal/store/hold.go", "	if current.Status != order.Pending {\n		return current, false, nil\n	}\n", ""},
		},
		folder: "./test/simulation/model", run: "TestTheModelIsTheDatabase",
	},
	{
		name:   "I6: the end of a sale returns what is held",
		edits:  []edit{{"internal/store/sale.go", "units, reason = -st.Available(), \"ended\"", "units, reason = -st.OnHand, \"ended\""}},
		folder: "./internal/store", run: "TestSQLite",
	},
	{
		name:   "I7: a late payment is honoured beyond the limit",
		edits:  []edit{{"internal/store/hold.go", "	if limit > 0 && used+o.Units > limit {", "	if false {"}},
		folder: "./internal/store", run: "TestSQLite",
	},
	{
		name:   "I7 P22: a rebuilt gate does not know who has bought",
		edits:  []edit{{"internal/inventory/memory.go", "		known.keys = append(known.keys, keyed{KeyDigest(h.Key), h.Body, h.Order})\n	}\n	m.sales.Store(&sales)", "	}\n	m.sales.Store(&sales)"}},
		folder: "./internal/inventory", run: "TestMemoryGate",
	},
	{
		name:   "I11 P32: orders go on without the gate before the others have stopped trusting it",
		edits:  []edit{{"internal/redis/gate/trust.go", "	bypassAfter = trustFor + trustFor/10", "	bypassAfter = trustFor / 100"}},
		folder: "./internal/redis/gate", run: "TestNoOrderGoesWithoutAGateThatAnotherProcessTrusts",
	},
	{
		name:   "I11 P32: an order is committed though another epoch of the gate is open",
		edits:  []edit{{"internal/store/gate_fence.go", "c.Epoch != 0 && (c.Epoch != opened || c.Bypassed && ready != 0)", "c.Epoch < 0"}},
		folder: "./internal/store", run: "TestSQLite",
	},
	{
		name:   "I11 P32: a rebuild does not wait for the batches that are under way",
		edits:  []edit{{"internal/store/gate_fence.go", "return tx.holdPools(part)", "return nil"}},
		folder: "./internal/store", run: "TestNothingIsCommittedBehindAnOpening",
	},
	{
		name:   "P25: the amount of a notification is not compared",
		edits:  []edit{{"internal/payment/payment.go", "	case r.Amount.Minor != a.Amount.Minor:", "	case false:"}},
		folder: simulation, run: seeds,
	},
	{
		name:   "P25: any signature of a notification is good",
		edits:  []edit{{"internal/payment/sandbox/signature.go", "!ok || err != nil || !hmac.Equal(got, mac(p.secret, stamp, body))", "!ok || err != nil || hmac.Equal(got, []byte(stamp))"}},
		folder: "./internal/payment", run: "TestNotifications",
	},
	{
		name:   "P2: what no queue takes is confirmed and gone",
		edits:  []edit{{"internal/bus/rabbitmq/publish.go", "l.key, true, false, l.message", "l.key, false, false, l.message"}},
		folder: "./internal/bus/rabbitmq", run: "TestUnroutable",
	},
	{
		name:   "I10 P4: a batch is done before it is applied",
		edits:  []edit{{"internal/bus/embedded/reader.go", "	verdicts, err := r.group.Deliver(ctx, r.handle, batch)\n", "	if err := r.settle(ctx, s); err != nil {\n		return err\n	}\n	verdicts, err := r.group.Deliver(ctx, r.handle, batch)\n"}},
		folder: "./internal/bus/embedded", run: "TestBus",
	},
	{
		name:   "P5: a dead letter is acknowledged and not kept",
		edits:  []edit{{"internal/bus/embedded/reader.go", "	if len(letters) > 0 {\n", "	if len(letters) > 1000 {\n"}},
		folder: "./internal/bus/embedded", run: "TestBus",
	},
	{
		name:   "P5: a panic over one message ends the process",
		edits:  []edit{{"internal/bus/handler.go", "		if p := recover(); p != nil {", "		if p := error(nil); p != nil {"}},
		folder: "./internal/bus/embedded", run: "TestBus",
	},
	{
		name:   "P5: a panic in one call to a provider ends the process",
		edits:  []edit{{"internal/payment/expiry.go", "err := fault.Safely(func() error {\n				r, err := s.poll(ctx, c)", "err := (func(fn func() error) error { return fn() })(func() error {\n				r, err := s.ask(ctx, c)"}},
		folder: "./internal/payment", run: "TestAPanicInOneCallEndsNoOther",
	},
	{
		name:   "P22: a key of general stock that has its order is queued once more",
		edits:  []edit{{"internal/order/service.go", "if d.Claim.Queued && d.Claim.Sale == 0 {", "if d.Claim.Queued && d.Claim.Sale < 0 {"}},
		folder: "./internal/order/queue", run: "TestAKeyOfGeneralStockHasItsOrder",
	},
	{
		name: "drill, I1: the guards of the stock are gone, in the gate and in the database",
		edits: []edit{
			{"internal/inventory/memory.go", "		if n.Load() < l.Units {", "		if n.Load() < l.Units-1<<40 {"},
			{"internal/inventory/memory.go", "		if n < units {\n			return false", "		if n < units-1<<40 {\n			return false"},
			{"internal/store/stock.go", "		  AND on_hand - reserved >= ?\n", "		  AND 0 < ?\n"},
			{"internal/store/stock.go", "		  AND on_hand - reserved >= ?1\n", "		  AND 0 < ?1\n"},
			{"internal/store/migrations/sqlite/00017_stock_rows.sql", "CHECK (reserved >= 0 AND reserved <= on_hand),\n    sold     INTEGER NOT NULL CHECK (sold >= 0),\n    UNIQUE", "CHECK (reserved >= 0),\n    sold     INTEGER NOT NULL CHECK (sold >= 0),\n    UNIQUE"},
		},
		folder: binary, run: drill,
	},
	{
		name: "drill, I7: the limit is checked neither in the gate nor in the database",
		edits: []edit{
			{"internal/inventory/memory.go", "if limit := g.limit.Load(); limit > 0 &&", "if limit := g.limit.Load(); limit > 1<<40 &&"},
			{"internal/store/order_commit_sqlite.go", ") <= ?12", ") <= ?12 + 1000000"},
		},
		folder: binary, run: drill,
	},
	{
		name:   "drill, I2 P1: the answer is sent before the commit, and the process is killed",
		edits:  []edit{{"internal/order/committer.go", "	return t.wait(ctx)\n}\n\nfunc (c *Committer) enqueue", "	return Outcome{Result: Accepted}, nil\n}\n\nfunc (c *Committer) enqueue"}},
		folder: binary, run: drill,
	},
	{
		name:   "security: any signature of a token is good",
		edits:  []edit{{"internal/account/token_own.go", "ok := hmac.Equal(mac.Sum(sum[:0]), given[:sha256.Size])", "ok := len(mac.Sum(sum[:0])) == sha256.Size"}},
		folder: "./internal/account", run: "TestVerifyRefusesForgeries|TestOwnForm",
	},
	{
		name:   "security: an ended session is let in",
		edits:  []edit{{"internal/account/revoked.go", "		return true\n	}\n	floor", "		return false\n	}\n	floor"}},
		folder: "./internal/account", run: "TestAuthenticateRefusesAnEndedSession",
	},
	{
		name:   "security: any admin key opens every admin route",
		edits:  []edit{{"internal/httpapi/client.go", "	if !x.admin.May(n.role) {", "	if false {"}},
		folder: "./test/security", run: "TestEveryRouteByEveryCaller",
	},
	{
		name:   "security: another customer's order can be read",
		edits:  []edit{{"internal/order/read.go", "	if err == nil && found.Customer != c {", "	if false {"}},
		folder: "./test/security", run: "TestEveryRouteByEveryCaller",
	},
}
