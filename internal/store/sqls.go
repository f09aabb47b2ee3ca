package store

import (
	"strings"

	"github.com/tidegate/tidegate/internal/store/engine"
)

// Most statements are the same on every engine and are written once: ? is a placeholder, and an identifier that some
// engine reserves has double quotes. A statement that differs is written in full for each engine. Only placeholders and
// quotes are ever rewritten.

// sqls is a statement or clause in the dialect of each engine.
type sqls struct{ sqlite, mysql, postgres string }

func (q sqls) in(d engine.Dialect) string {
	return [...]string{engine.SQLite: q.sqlite, engine.MySQL: q.mysql, engine.PostgreSQL: q.postgres}[d]
}

// eachIn builds a statement for each dialect.
func eachIn(in func(engine.Dialect) string) sqls {
	return sqls{sqlite: in(engine.SQLite), mysql: in(engine.MySQL), postgres: in(engine.PostgreSQL)}
}

// sql returns a statement in the engine's dialect.
func (s *Store) sql(q sqls) string { return q.in(s.dialect) }

// sql returns a statement in the engine's dialect.
func (tx *Tx) sql(q sqls) string { return q.in(tx.s.dialect) }

// sql returns a statement in the engine's dialect.
func (v view) sql(q sqls) string { return q.in(v.s.dialect) }

// Clauses that queries are composed of.
var (
	// clockMillis is the database's clock in milliseconds since 1970, when the statement or expression is evaluated.
	clockMillis = sqls{
		sqlite:   "CAST(unixepoch('subsec') * 1000 AS INTEGER)",
		mysql:    "CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED)",
		postgres: "CAST(EXTRACT(EPOCH FROM CLOCK_TIMESTAMP()) * 1000 AS BIGINT)",
	}
	// forUpdate locks the rows that are read until the transaction ends. SQLite's single writer needs none.
	forUpdate = sqls{mysql: " FOR UPDATE", postgres: " FOR UPDATE"}
	// Tables with the index that a query must use.
	ordersAlongKey    = sqls{sqlite: "orders NOT INDEXED", mysql: "orders FORCE INDEX (PRIMARY)", postgres: "orders"}
	movementsAlongKey = sqls{sqlite: "movement NOT INDEXED", mysql: "movement FORCE INDEX (PRIMARY)", postgres: "movement"}
	outboxInOrder     = sqls{sqlite: "outbox NOT INDEXED", mysql: "outbox FORCE INDEX (outbox_position)", postgres: "outbox"}
	attemptsAlongKey  = sqls{sqlite: "payment_attempt NOT INDEXED", mysql: "payment_attempt FORCE INDEX (PRIMARY)", postgres: "payment_attempt"}
	ordersByDue       = sqls{sqlite: "orders AS o INDEXED BY orders_due", mysql: "orders AS o FORCE INDEX (orders_due)", postgres: "orders AS o"}
	salesOpen         = sqls{sqlite: "sale INDEXED BY sale_open", mysql: "sale FORCE INDEX (sale_open)", postgres: "sale"}
	salesOpenAsS      = sqls{sqlite: "sale AS s INDEXED BY sale_open", mysql: "sale AS s FORCE INDEX (sale_open)", postgres: "sale AS s"}
	// stockByKey finds pools by their key. MySQL would lock rows of another index first and deadlock with other
	// transactions.
	stockByKey = sqls{sqlite: "stock", mysql: "stock FORCE INDEX (PRIMARY)", postgres: "stock"}
	// crossJoin joins tables in the order in which they are written.
	crossJoin = sqls{sqlite: " CROSS JOIN ", mysql: " STRAIGHT_JOIN ", postgres: " CROSS JOIN "}
)

// orNothing ends an INSERT that keeps an existing row with the same key. On MySQL it sets a column to itself; INSERT
// IGNORE would also ignore CHECK and NOT NULL.
func (tx *Tx) orNothing(table, key string) string {
	first, _, _ := strings.Cut(key, ",")
	leave := "\n\t\t\tON CONFLICT (" + key + ") DO NOTHING"
	return tx.sql(sqls{
		sqlite:   leave,
		mysql:    "\n\t\t\tON DUPLICATE KEY UPDATE " + table + "." + first + " = " + table + "." + first,
		postgres: leave,
	})
}
