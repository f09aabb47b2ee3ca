package store

import (
	"regexp"
	"strings"
	"sync"

	"github.com/tidegate/tidegate/internal/store/mysql"
)

// dialect is where the engines differ in what they are told. The SQL of this package is written once, as SQLite takes it,
// with FOR UPDATE where an engine with several writers has to lock what it reads. What MySQL says otherwise stands below,
// fragment by fragment. What they differ in beyond words is in write.go and mysql.go.
type dialect struct {
	// lower writes a text as the engine takes it.
	lower func(text string) string
	// texts holds every text that was asked for, as written and as the engine takes it.
	texts sync.Map
	// unique, notNull and check tell what refused a row; onPrimary, whether it was the primary key.
	unique, notNull, check, onPrimary func(error) bool
	// stamps says that an event has no position before StampStep gives it one.
	stamps bool
}

// text returns a text as the engine takes it.
func (d *dialect) text(written string) string {
	if known, ok := d.texts.Load(written); ok {
		return known.(string)
	}
	lowered := d.lower(written)
	d.texts.Store(written, lowered)
	return lowered
}

func sqliteDialect() *dialect {
	// The one writer is alone: it locks nothing.
	drop := strings.NewReplacer(" FOR UPDATE", "", "\n\t\tFOR UPDATE", "")
	return &dialect{lower: drop.Replace, unique: isUnique, notNull: isNotNull, check: isCheck, onPrimary: isPrimary}
}

func mysqlDialect() *dialect {
	is := func(k mysql.Kind) func(error) bool { return func(err error) bool { return mysql.KindOf(err) == k } }
	return &dialect{
		lower:  lowerMySQL,
		unique: is(mysql.Unique), notNull: is(mysql.NotNull), check: is(mysql.Check), onPrimary: mysql.OnPrimary,
		stamps: true,
	}
}

// mysqlWords are the fragments that MySQL says otherwise, one by one.
var mysqlWords = strings.NewReplacer(
	// The database's clock in milliseconds. SYSDATE would be the moment of the expression, NOW is that of the statement.
	clockMillis, "CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED)",
	// Functions of several values.
	"MIN(expires_at, ?)", "LEAST(expires_at, ?)",
	"MAX(position, ?)", "GREATEST(position, ?)",
	"MAX(direct, excluded.direct)", "GREATEST(direct, excluded.direct)",
	"SELECT MAX(\n", "SELECT GREATEST(\n",
	// The order of a join that the writer of the query has chosen.
	"CROSS JOIN", "STRAIGHT_JOIN",
	// "All from here on."
	"LIMIT -1 OFFSET", "LIMIT 9223372036854775807 OFFSET",
	// A subquery with a limit cannot stand in IN, and need not: DELETE takes a limit itself.
	"WHERE id IN (SELECT id FROM session WHERE expires_at <= ? LIMIT ?)", "WHERE expires_at <= ? ORDER BY expires_at LIMIT ?",
	"WHERE position IN (SELECT position FROM revocation WHERE until <= ? LIMIT ?)", "WHERE until <= ? ORDER BY until LIMIT ?",
	// A SELECT without a table.
	"?, ?, ?, ?, ?, 0\n\t\t\tWHERE", "?, ?, ?, ?, ?, 0\n\t\t\tFROM DUAL WHERE",
	// Conditions of partial indexes: here they are generated columns, or the columns that lead an index.
	"WHERE type IN ('stock.moved.v1', 'sale.changed.v1')", "WHERE for_gate = 1",
	"AND order_id = 0\n\t\t  AND kind <> 'reserve'", "AND by_hand = 1",
	"WHERE status <> 'ended' AND status <> 'draft'", "WHERE status IN ('scheduled', 'live', 'paused')",
	// Reading along the table itself, or in the order of positions.
	"FROM outbox NOT INDEXED", "FROM outbox FORCE INDEX (outbox_position)",
	"NOT INDEXED", "FORCE INDEX (PRIMARY)",
)

var (
	indexHint   = regexp.MustCompile(`INDEXED BY (\w+)`)
	linesColumn = regexp.MustCompile(`\blines\b`) // a reserved word
	doUpdate    = regexp.MustCompile(`ON CONFLICT \([^)]*\) DO UPDATE\s+SET`)
	excluded    = regexp.MustCompile(`\bexcluded\.(\w+)`)
	doNothing   = regexp.MustCompile(`ON CONFLICT \((\w+)[^)]*\) DO NOTHING`)
	insertInto  = regexp.MustCompile(`INSERT INTO (\w+)`)
)

func lowerMySQL(text string) string {
	text = mysqlWords.Replace(text)
	text = indexHint.ReplaceAllString(text, "FORCE INDEX ($1)")
	text = linesColumn.ReplaceAllString(text, "`lines`")
	text = doUpdate.ReplaceAllString(text, "ON DUPLICATE KEY UPDATE")
	text = excluded.ReplaceAllString(text, "VALUES($1)")
	if doNothing.MatchString(text) {
		// A column that is set to itself changes nothing. INSERT IGNORE would pass over a CHECK and a NOT NULL, too.
		table := insertInto.FindStringSubmatch(text)[1]
		text = doNothing.ReplaceAllString(text, "ON DUPLICATE KEY UPDATE "+table+".$1 = "+table+".$1")
	}
	return text
}
