package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"

	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/setting"
	"github.com/tidegate/tidegate/internal/store/engine"
)

const settingChanges = `
	SELECT number, layer, undoes, stands, actor, key_id, reason, created_at, file
	FROM setting_change`

func scanSettingChange(row scanner) (c setting.Change, err error) {
	var layer, file string
	var at int64
	if err := row.Scan(&c.Number, &layer, &c.Undoes, &c.Stands, &c.Actor, &c.Key, &c.Reason, &at, &file); err != nil {
		return c, err
	}
	if err := json.Unmarshal([]byte(layer), &c.Layer); err != nil {
		return c, fmt.Errorf("the layer of the change of settings %d cannot be read: %w", c.Number, err)
	}
	if file != "" {
		if err := json.Unmarshal([]byte(file), &c.File); err != nil {
			return c, fmt.Errorf("what change %d of settings did to a file cannot be read: %w", c.Number, err)
		}
	}
	c.At = fromMillis(at)
	return c, nil
}

// NewestSettingNumber implements setting.Store.
func (s *Store) NewestSettingNumber(ctx context.Context) (number int64, err error) {
	err = s.queryRow(ctx, "SELECT number FROM setting_change ORDER BY number DESC LIMIT 1", nil, &number)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return number, err
}

// NewestSettingChange implements setting.Store.
func (s *Store) NewestSettingChange(ctx context.Context) (setting.Change, error) {
	all, err := s.SettingChanges(ctx, 0, 1)
	if err != nil || len(all) == 0 {
		return setting.Change{}, err
	}
	return all[0], nil
}

// SettingChange implements setting.Store.
func (s *Store) SettingChange(ctx context.Context, number int64) (setting.Change, error) {
	if number == 0 {
		return setting.Change{}, nil
	}
	c, err := scanSettingChange(s.row(ctx, settingChanges+`
		WHERE number = ?`, number))
	if errors.Is(err, sql.ErrNoRows) {
		return c, fault.New(fault.NotFound, "There is no change of settings %d.", number)
	}
	return c, readError(err)
}

// SettingChanges implements setting.Store.
func (s *Store) SettingChanges(ctx context.Context, before int64, limit int) ([]setting.Change, error) {
	if before == 0 {
		before = math.MaxInt64
	}
	rows, err := s.query(ctx, settingChanges+`
		WHERE number < ?
		ORDER BY number DESC
		LIMIT ?`, before, limit)
	return collect(rows, err, func(r *sql.Rows) (setting.Change, error) { return scanSettingChange(r) })
}

// errNumberTaken rolls back a transaction, its audit log entry included, whose number another transaction has used.
var errNumberTaken = errors.New("the number is taken")

// AddSettingChange implements setting.Store.
func (s *Store) AddSettingChange(ctx context.Context, c setting.Change) (added bool, err error) {
	layer, err := json.Marshal(c.Layer)
	if err != nil {
		return false, err
	}
	var file []byte
	if len(c.File) > 0 {
		if file, err = json.Marshal(c.File); err != nil {
			return false, err
		}
	}
	err = s.write(ctx, jobs, func(tx *Tx) error {
		_, err := tx.Exec(`
			INSERT INTO setting_change (number, layer, undoes, stands, actor, key_id, reason, created_at, file)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			c.Number, string(layer), c.Undoes, c.Stands, c.Actor, c.Key, c.Reason, millis(c.At), string(file))
		if tx.refusedBy(engine.Unique, err) {
			return errNumberTaken
		}
		return err
	})
	if errors.Is(err, errNumberTaken) {
		return false, nil
	}
	return err == nil, err
}
