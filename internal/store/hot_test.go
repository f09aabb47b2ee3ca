package store

import (
	"strings"
	"testing"

	"github.com/tidegate/tidegate/internal/store/engine"
	"github.com/tidegate/tidegate/internal/store/sqlite"
)

// TestHotRows: values bound directly in SQLite arrive unchanged, with any length and any byte, even if the memory for
// texts grows between rows.
func TestHotRows(t *testing.T) {
	s := openForJobs(t)
	blobs := []string{"", "a", "a\x00b", strings.Repeat("long ", 10_000), "é\xff", ""}
	var changed []int64
	err := s.write(t.Context(), orders, func(tx *Tx) error {
		return tx.Tx.(*sqlite.Tx).Many(insertEvent, len(blobs), func(i int) int { return len("test") + len(blobs[i]) }, func(i int, r *sqlite.HotRow) {
			r.Text("test")
			r.Ints(int64(i))
			r.Blob([]byte(blobs[i]))
			r.Ints(-1 << 63)
		}, func(_ int, n int64, err error) error {
			changed = append(changed, n)
			return err
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range blobs {
		var kind, got string
		var at int64
		if err := s.queryRow(t.Context(), "SELECT type, CAST(payload AS BLOB), at FROM outbox WHERE subject = ?", []any{i}, &kind, &got, &at); err != nil {
			t.Fatal(err)
		}
		if kind != "test" || got != want || at != -1<<63 || changed[i] != 1 {
			t.Errorf("row %d: %q %.20q %d, changed %d", i, kind, got, at, changed[i])
		}
	}
}

// TestHotErrors: errors have SQLite's extended code, and the statement can be used for the next row.
func TestHotErrors(t *testing.T) {
	s := openForJobs(t)
	const text = "INSERT INTO stock (sale_id, sku_id, on_hand, reserved, sold) VALUES (?, ?, ?, 0, 0)"
	var errs []error
	err := s.write(t.Context(), orders, func(tx *Tx) error {
		return tx.Tx.(*sqlite.Tx).Many(text, 4, func(int) int { return 0 }, func(i int, r *sqlite.HotRow) {
			switch i {
			case 0, 1:
				r.Ints(1, 1, 5)
			case 2:
				r.Ints(1, 2, -5)
			case 3:
				r.Ints(1, 3, 5)
			}
		}, func(_ int, _ int64, err error) error {
			errs = append(errs, err)
			return nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	if errs[0] != nil || sqlite.KindOf(errs[1]) != engine.Unique || sqlite.KindOf(errs[2]) != engine.Check || errs[3] != nil {
		t.Errorf("got %v", errs)
	}
	err = s.write(t.Context(), orders, func(tx *Tx) error {
		return tx.Tx.(*sqlite.Tx).Many("INSERT INTO nowhere VALUES (?)", 1, func(int) int { return 0 }, nil, nil)
	})
	if err == nil || !strings.Contains(err.Error(), "nowhere") {
		t.Errorf("a statement that cannot be compiled: %v", err)
	}
}
