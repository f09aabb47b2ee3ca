package store

import "strings"

// setPositionsMySQL assigns positions to rows by their keys.
func setPositionsMySQL(tx *Tx, table, key string, rows []unstamped, positions []int64) error {
	n := len(rows)
	cases := make([]any, 0, 3*n) // followed by the keys
	keys := make([]any, n)
	for i, u := range rows {
		cases = append(cases, u.key, positions[i])
		keys[i] = u.key
	}
	_, err := tx.Exec(`
		UPDATE `+table+`
		SET position = CASE `+key+strings.Repeat(" WHEN ? THEN ?", n)+` END
		WHERE `+key+` IN (`+placeholders(n)+`)
		  AND position IS NULL`, append(cases, keys...)...)
	return err
}
