package store_test

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/delivery"
	"github.com/tidegate/tidegate/internal/kernel/event"
	"github.com/tidegate/tidegate/internal/store"
	"github.com/tidegate/tidegate/internal/store/engine"
)

// growing are the tables that grow with the trade, with a row of each: %[1]d is its number.
var growing = map[string]string{
	"orders": `INSERT INTO orders (id, sale_id, customer_id, idem_key, body_hash, status, "lines", units, total, currency, created_at, expires_at)
		VALUES (%[1]d, %[1]d %% 7, %[1]d, 'k%[1]d', 'x', 'paid', '[]', 1, 1, 'GBP', %[1]d, %[1]d)`,
	"movement":         `INSERT INTO movement (id, sale_id, sku_id, kind, units, order_id, actor, reason, at) VALUES (%[1]d, 1, %[1]d %% 50, 'sell', 1, %[1]d, '', '', 1)`,
	"adjustment":       `INSERT INTO adjustment (idem_key, movement_id, sku_id, kind, units, reason) VALUES ('k%[1]d', %[1]d, 1, 'receive', 1, '')`,
	"stock":            `INSERT INTO stock (sale_id, sku_id, on_hand, reserved, sold) VALUES (%[1]d %% 7, %[1]d, 1, 0, 0)`,
	"sale_item":        `INSERT INTO sale_item (sale_id, sku_id, product_id, price, list_price, currency, allocation) VALUES (%[1]d %% 7, %[1]d, 1, 1, 1, 'GBP', 1)`,
	"customer":         `INSERT INTO customer (id, email, password_hash, created_at) VALUES (%[1]d, 'e%[1]d', '', 1)`,
	"session":          `INSERT INTO session (id, customer_id, family_hash, current_hash, previous_hash, salt, rotated_at, created_at, expires_at, revoked_at) VALUES (%[1]d, %[1]d, 'x', 'x', 'x', 'x', 1, 1, %[1]d, 0)`,
	"payment_attempt":  `INSERT INTO payment_attempt (id, order_id, provider, status, amount, currency, reference, pay_url, pays, created_at, expires_at, look_at, settled_at) VALUES (%[1]d, %[1]d, '', 'failed', 1, 'GBP', '', '', 0, 1, 1, %[1]d, 1)`,
	"refund":           `INSERT INTO refund (id, order_id, attempt_id, provider, kind, status, amount, currency, restock, reason, actor, round, refusal, created_at, look_at, settled_at) VALUES (%[1]d, %[1]d, %[1]d, '', 'order', 'succeeded', 1, 'GBP', 0, '', '', 1, '', 1, %[1]d, 1)`,
	"product":          `INSERT INTO product (id, handle, title, description, status, brand_id, options, attributes, pictures, version, created_at, updated_at) VALUES (%[1]d, 'h%[1]d', 't', '', 'published', %[1]d %% 30, '[]', '[]', '[]', 1, 1, 1)`,
	"sku":              `INSERT INTO sku (id, product_id, position, code, options, price_minor, currency, retired) VALUES (%[1]d, %[1]d, 0, 'c%[1]d', '[]', 1, 'GBP', 0)`,
	"product_category": `INSERT INTO product_category (category_id, product_id, direct) VALUES (%[1]d %% 30, %[1]d, 1)`,
	"sandbox_payment":  `INSERT INTO sandbox_payment (attempt_id, order_id, token, status, amount, currency, refunded, script, created_at, expires_at, settled_at) VALUES (%[1]d, %[1]d, 't%[1]d', 'paid', 1, 'GBP', 0, '', 1, 1, 1)`,
	"sandbox_refund":   `INSERT INTO sandbox_refund (idem_key, attempt_id, amount, currency, at) VALUES ('k%[1]d', %[1]d, 1, 'GBP', 1)`,
	"sandbox_notification": `INSERT INTO sandbox_notification (id, attempt_id, body, forged, age_ms, tries, due_at, done_at, answer)
		VALUES (%[1]d, %[1]d, '', 0, 0, 1, %[1]d, 1, '')`,
	"bus_parked":  `INSERT INTO bus_parked (consumer, message_id, msg_key, type, payload, at, try, reason, due_at) VALUES ('g%[1]d', %[1]d, '', '', '', 1, 1, '', %[1]d)`,
	"dead_letter": `INSERT INTO dead_letter (number, topic, consumer, message_id, msg_key, type, payload, at, tries, reason, died_at) VALUES (%[1]d, 't', 'g', %[1]d, '', '', '', 1, 1, '', 1)`,
}

// Tables of one engine only.
var (
	growingSQLite = map[string]string{
		"outbox":     `INSERT INTO outbox (position, type, subject, payload, at) VALUES (%[1]d, 'order.paid.v1', %[1]d, '', 1)`,
		"revocation": `INSERT INTO revocation (position, session_id, "until") VALUES (%[1]d, %[1]d, %[1]d)`,
	}
	growingMySQL = map[string]string{
		"outbox":     `INSERT INTO outbox (id, position, type, subject, payload, at) VALUES ('%016[1]d', %[1]d, 'order.paid.v1', %[1]d, '', 1)`,
		"revocation": `INSERT INTO revocation (position, session_id, "until") VALUES (%[1]d, %[1]d, %[1]d)`,
		"allowance":  `INSERT INTO allowance (sale_id, customer_id, batches) VALUES (%[1]d %% 7, %[1]d, 1)`,
		"marker":     `INSERT INTO marker (id, noted) VALUES ('%016[1]d', NOW(6))`,
	}
)

var growingPostgres = map[string]string{
	"outbox":     `INSERT INTO outbox (id, position, type, subject, payload, at) VALUES (CAST('%016[1]d' AS BYTEA), %[1]d, 'order.paid.v1', %[1]d, '', 1)`,
	"revocation": growingMySQL["revocation"],
	"allowance":  growingMySQL["allowance"],
	"marker":     `INSERT INTO marker (id) VALUES (CAST('%016[1]d' AS BYTEA))`,
}

// allowed are the queries that may read a whole growing table, with the reason.
var allowed = []struct{ text, why string }{
	{"FROM orders NOT INDEXED", "the audit reads along the tables"},
	{"FROM movement NOT INDEXED", "the audit reads along the tables"},
	{"FROM outbox NOT INDEXED", "the audit reads along the tables"},
	{"FROM orders FORCE INDEX (PRIMARY)", "the audit reads along the tables"},
	{"FROM movement FORCE INDEX (PRIMARY)", "the audit reads along the tables"},
	{"FROM outbox FORCE INDEX (outbox_position)", "the audit reads along the tables"},
	{"FROM orders\n\t\tWHERE id > ?\n\t\tORDER BY id", "the audit reads along the tables"},
	{"FROM orders\n\t\tORDER BY id", "the audit reads along the tables"},
	{"FROM movement\n\t\tWHERE order_id > ?", "the audit reads along the tables"},
	{"FROM outbox\n\t\tWHERE position > 0", "the audit reads along the tables"},
	{"FROM refund AS r\n\t\tWHERE NOT EXISTS", "the audit looks for refunds without an attempt"},
	{"FROM payment_attempt AS a\n\t\tLEFT JOIN refund", "the audit reads attempts along the table"},
	{"ORDER BY sale_id, sku_id", "the audit reads every pool"},
	{"JOIN sale AS s\n\t\t  ON s.id = i.sale_id", "the audit reads every item"},
	{"SELECT COUNT(*) FROM orders", "the audit counts orders"},
	{"WHERE closed_at <> 0", "the audit reads which pools are closed"},
	{"ON sku.id = st.sku_id", "the audit compares the pools with the catalogue"},
	{"SELECT COUNT(*) FROM dead_letter", "letters are few, or an operator is at them"},
	{"SELECT p.id, p.handle, s.id, s.code", "the names of the whole catalogue, for a filter in memory"},
	{"WHERE currency <> ?", "asked once, at start"},
	{"AND type = 'sale.changed.v1'", "the audit reads what limits a sale has had, along the index of the gate's events"},
}

// rowsOfPlans is the number of rows in each growing table when plans are checked.
const rowsOfPlans = 600

// plans fills the tables and fails if a query reads all rows of a growing one.
func plans(t *testing.T, s *store.Store, texts []string) {
	own := map[engine.Dialect]map[string]string{engine.SQLite: growingSQLite, engine.MySQL: growingMySQL, engine.PostgreSQL: growingPostgres}[s.Dialect()]
	tables := map[string]bool{}
	for _, rows := range []map[string]string{growing, own} {
		for table, row := range rows {
			tables[table] = true
			head, values, _ := strings.Cut(row, "VALUES ")
			all := make([]string, rowsOfPlans)
			for i := range all {
				all[i] = fmt.Sprintf(values, i+1)
			}
			ok(t, s.Do(t.Context(), head+"VALUES "+strings.Join(all, ", ")))
			if s.Dialect() == engine.MySQL {
				// Rebuild and analyse the table: otherwise rows deleted by earlier cases count until the server has
				// purged them.
				ok(t, s.Do(t.Context(), "OPTIMIZE TABLE "+table))
			}
		}
	}
	if s.Dialect() != engine.MySQL {
		ok(t, s.Do(t.Context(), "ANALYZE"))
	}
	fill := withValues
	if s.Dialect() == engine.PostgreSQL { // a quoted value takes the type that its place requires
		fill = func(text string) string {
			return strings.ReplaceAll(listOfValues.ReplaceAllString(text, "'{20,21}'$1"), "?", "'20'")
		}
	}
	looked := 0
	for _, text := range texts {
		verb, _, _ := strings.Cut(strings.TrimSpace(text), " ")
		if !strings.Contains("SELECT UPDATE DELETE WITH", strings.TrimSpace(verb)) || isAllowed(text) {
			continue
		}
		plan, err := s.Plan(t.Context(), text, fill)
		if err != nil {
			t.Errorf("%v\n%s", err, text)
			continue
		}
		looked++
		for _, line := range plan {
			if table := named(text, scanned(line, s.Dialect())); tables[table] {
				t.Errorf("the whole of %s is read:\n%s\n%s", table, text, strings.Join(plan, "\n"))
			}
		}
	}
	if looked < 100 {
		t.Errorf("only %d queries were looked at", looked)
	}
}

func isAllowed(text string) bool {
	for _, a := range allowed {
		if strings.Contains(text, a.text) {
			return true
		}
	}
	return false
}

var (
	comparedTo   = regexp.MustCompile(`(\w+)\s*(?:=|<>|<=|>=|<|>|IN \()\s*[?, ]*$`)
	bytesOf      = regexp.MustCompile(`^(handle|code|idem_key|email|title|token|consumer|msg_key|topic|name|holder|type|status|kind|currency|password_hash|current_hash)$`)
	binaryID     = regexp.MustCompile(`UPDATE outbox|FROM marker`)
	listOfValues = regexp.MustCompile(`\?(::\w+\[\])`)
	seqScanLine  = regexp.MustCompile(`Seq Scan on (\w+)`)
	scanLine     = regexp.MustCompile(`\bSCAN (\w+)(?: AS (\w+))?`)
)

// withValues puts a value into every placeholder of a statement, of a kind that its column can be compared with.
func withValues(text string) string {
	var out strings.Builder
	rest := text
	for {
		before, after, found := strings.Cut(rest, "?")
		out.WriteString(before)
		if !found {
			return out.String()
		}
		value := "20"
		if m := comparedTo.FindStringSubmatch(strings.NewReplacer("'k20'", "?", "20", "?").Replace(out.String())); m != nil && (bytesOf.MatchString(m[1]) || m[1] == "id" && binaryID.MatchString(text)) {
			value = "'k20'"
		}
		if strings.HasSuffix(strings.TrimRight(before, " ="), ">") {
			value = strconv.Itoa(rowsOfPlans - 10) // a page of many
		}
		out.WriteString(value)
		rest = after
	}
}

// scanned returns the table of which a plan's line reads every row; empty if it reads a part.
func scanned(line string, of engine.Dialect) string {
	switch of {
	case engine.PostgreSQL: // an index is used if there is one, however few the rows: see Plan
		m := seqScanLine.FindStringSubmatch(line)
		if m == nil {
			return ""
		}
		return m[1]
	case engine.SQLite:
		m := scanLine.FindStringSubmatch(line)
		if m == nil {
			return ""
		}
		return m[1]
	}
	has := map[string]string{}
	for column := range strings.SplitSeq(line, "|") {
		name, value, _ := strings.Cut(column, "=")
		has[name] = value
	}
	if has["type"] != "ALL" && has["type"] != "index" {
		return ""
	}
	if rows, err := strconv.Atoi(has["rows"]); err == nil && rows < rowsOfPlans/2 {
		return ""
	}
	return has["table"]
}

// named returns the table of an alias in a statement.
func named(text, name string) string {
	if name == "" {
		return ""
	}
	alias := regexp.MustCompile(`(?i)(?:FROM|JOIN)\s+(\w+)\s+(?:AS\s+)?` + name + `\b`)
	if m := alias.FindStringSubmatch(text); m != nil {
		return m[1]
	}
	return name
}

// deliveries runs every query that the bus uses.
func deliveries(t *testing.T, s *store.Store) {
	ctx := t.Context()
	at := time.UnixMilli(1)
	ok(t, s.EnterGroups(ctx, []string{"g"}))
	ok(t, s.AppendEvents(ctx, []event.Event{{Type: "a", Subject: 1, Payload: []byte("{}"), At: at}, {Type: "b", Subject: 2, Payload: []byte("{}"), At: at}}))
	_, err := s.StampStep(ctx)
	ok(t, err)
	_, _, err = s.EventsOf(ctx, 0, 10, []string{"a"})
	ok(t, err)
	parked := delivery.RetryMessage{}
	parked.ID, parked.Try, parked.Key, parked.Payload, parked.At, parked.DueAt = 1, 1, "k", []byte("{}"), at, at
	ok(t, s.Park(ctx, "g", []delivery.RetryMessage{parked}))
	due, err := s.ParkedDue(ctx, "g", time.Now(), 10)
	ok(t, err)
	_, err = s.ParkedKeys(ctx, "g")
	ok(t, err)
	if len(due) != 1 {
		t.Errorf("%d are due", len(due))
	}
	ok(t, s.SettleDelivery(ctx, delivery.Progress{Group: "g", Position: 2, Fence: 1, Done: []int64{1}}))
	c, err := s.Cursor(ctx, "g")
	ok(t, err)
	if c.Position != 2 || c.Parked != 0 {
		t.Errorf("cursor %+v", c)
	}
	n, err := s.TrimOutbox(ctx, []string{"g"}, time.Now().Add(time.Second))
	ok(t, err)
	if n != 1 {
		t.Errorf("%d rows trimmed", n)
	}
	letter := delivery.DeadLetter{Topic: "t", Group: "g", Tries: 1, DiedAt: at}
	letter.ID, letter.Payload, letter.At = 1, []byte("{}"), at
	ok(t, s.AddDeadLetters(ctx, []delivery.DeadLetter{letter, letter}))
	letters, err := s.DeadLetters(ctx, "g", 0, 10)
	ok(t, err)
	if len(letters) != 1 {
		t.Fatalf("%d letters", len(letters))
	}
	_, err = s.DeadLetter(ctx, letters[0].Number)
	ok(t, err)
	if n, err := s.CountDeadLetters(ctx); err != nil || n != 1 {
		t.Errorf("%d letters, %v", n, err)
	}
	if n, err := s.DeleteDeadLetters(ctx, []int64{letters[0].Number}); err != nil || n != 1 {
		t.Errorf("%d dropped, %v", n, err)
	}
}
