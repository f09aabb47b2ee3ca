package store

// setPositionsPostgres assigns positions to rows by their keys, with one statement for every number of rows.
func setPositionsPostgres(tx *Tx, table, key string, rows []unstamped, positions []int64) error {
	var keys any
	kind := "BIGINT"
	if _, isBytes := rows[0].key.([]byte); isBytes {
		kind = "BYTEA"
		all := make([][]byte, len(rows))
		for i, u := range rows {
			all[i] = u.key.([]byte)
		}
		keys = all
	} else {
		all := make([]int64, len(rows))
		for i, u := range rows {
			all[i] = u.key.(int64)
		}
		keys = all
	}
	_, err := tx.Exec(`
		UPDATE `+table+` AS waiting
		SET position = stamped.position
		FROM UNNEST(?::`+kind+`[], ?::BIGINT[]) AS stamped (id, position)
		WHERE waiting.`+key+` = stamped.id
		  AND waiting.position IS NULL`, keys, positions)
	return err
}
