package engine

import (
	"context"
	"database/sql"
	"sync"
)

// Texts caches every statement in two forms: as the store writes it, and with the engine's placeholders and identifier
// quotes. Nothing else is changed. It is safe for concurrent use.
type Texts struct {
	// As converts a statement to the engine's form.
	As    func(written string) string
	known sync.Map
}

// Of returns a statement in the engine's form.
func (t *Texts) Of(written string) string {
	if known, ok := t.known.Load(written); ok {
		return known.(string)
	}
	taken := t.As(written)
	t.known.Store(written, taken)
	return taken
}

// All returns every statement used so far, as the store writes it.
func (t *Texts) All() (all []string) {
	t.known.Range(func(written, _ any) bool {
		all = append(all, written.(string))
		return true
	})
	return all
}

// Pool reads from one server.
type Pool struct {
	DB    *sql.DB
	Texts *Texts
	// Args converts values to types that the driver accepts; nil: no conversion.
	Args func([]any) []any
	// Moment holds the options of a snapshot's transaction.
	Moment *sql.TxOptions
}

func (p *Pool) args(all []any) []any {
	if p.Args == nil {
		return all
	}
	return p.Args(all)
}

// Query runs a SELECT.
func (p *Pool) Query(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	return p.DB.QueryContext(ctx, p.Texts.Of(text), p.args(args)...)
}

// Row runs a SELECT of one row.
func (p *Pool) Row(ctx context.Context, text string, args ...any) Row {
	return p.DB.QueryRowContext(ctx, p.Texts.Of(text), p.args(args)...)
}

// Snapshot runs fn in one read transaction.
func (p *Pool) Snapshot(ctx context.Context, fn func(View) error) error {
	tx, err := p.DB.BeginTx(ctx, p.Moment)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // read-only
	return fn(poolView{tx, p})
}

type poolView struct {
	tx *sql.Tx
	p  *Pool
}

// Query implements View.
func (v poolView) Query(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	return v.tx.QueryContext(ctx, v.p.Texts.Of(text), v.p.args(args)...)
}

// Row implements View.
func (v poolView) Row(ctx context.Context, text string, args ...any) Row {
	return v.tx.QueryRowContext(ctx, v.p.Texts.Of(text), v.p.args(args)...)
}
