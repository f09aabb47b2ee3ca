package store

import (
	"errors"
	"slices"
	"time"

	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/order"
)

// closeOrder moves a pending order to expired or cancelled and releases its units.
func (tx *Tx) closeOrder(o id.Order, to order.Status, actor string, at time.Time, mint *id.Mint) (order.Order, bool, error) {
	current, err := tx.order(o)
	if err != nil {
		return current, false, err
	}
	if current.Status != order.Pending {
		return current, false, nil
	}
	won, err := tx.setStatus(&current, to, at)
	if err != nil || !won {
		return current, false, err
	}
	return current, true, tx.release(&current, actor, at, mint)
}

// release returns an order's units to their pools. Units of an ended sale or a stopped item go on to general stock.
func (tx *Tx) release(o *order.Order, actor string, at time.Time, mint *id.Mint) error {
	for _, l := range o.Lines {
		m := inventory.Movement{ID: id.New[id.Movement](mint), Pool: inventory.Pool{Sale: o.Sale, SKU: l.SKU}, Kind: inventory.Release, Units: l.Units, Order: o.ID, Actor: actor, Reason: string(o.Status), At: at}
		if err := tx.move(m, o.Customer, -l.Units); err != nil {
			return err
		}
	}
	// Read this with the pools locked: a transaction that ends the sale or stops an item either precedes this one or
	// sees the released units.
	handsOn, err := tx.handsOn(o.Sale, skusOf(o.Lines))
	if err != nil {
		return err
	}
	for _, l := range o.Lines {
		if !slices.Contains(handsOn, l.SKU) {
			continue
		}
		if err := tx.allocate(o.Sale, l.SKU, -l.Units, o.ID, actor, "released after the end", at, mint); err != nil {
			return err
		}
	}
	return nil
}

// allocate moves units from the general pool to a sale's pool; negative units go back. It returns fault.OutOfStock.
func (tx *Tx) allocate(s id.Sale, sku id.SKU, units int64, o id.Order, actor, reason string, at time.Time, mint *id.Mint) error {
	m := inventory.Movement{Kind: inventory.Allocate, Order: o, Actor: actor, Reason: reason, At: at}
	for _, half := range []struct {
		sale  id.Sale
		units int64
	}{{0, -units}, {s, units}} {
		m.ID, m.Pool, m.Units = id.New[id.Movement](mint), inventory.Pool{Sale: half.sale, SKU: sku}, half.units
		if err := tx.move(m, 0, 0); err != nil {
			return err
		}
	}
	return nil
}

func (tx *Tx) saleEnded(s id.Sale) (bool, error) {
	if s == 0 {
		return false, nil
	}
	var status string
	err := tx.QueryRow("SELECT status FROM sale WHERE id = ?", []any{s}, &status)
	return status == "ended", err
}

// sell turns an order's reserved units into sold ones. The caller has moved the order to paid.
func (tx *Tx) sell(o *order.Order, actor string, at time.Time, mint *id.Mint) error {
	for _, l := range o.Lines {
		m := inventory.Movement{ID: id.New[id.Movement](mint), Pool: inventory.Pool{Sale: o.Sale, SKU: l.SKU}, Kind: inventory.Sell, Units: l.Units, Order: o.ID, Actor: actor, At: at}
		if err := tx.move(m, o.Customer, 0); err != nil {
			return err
		}
	}
	return nil
}

// holdAgain reserves the units and allowance of an expired order again, for a late payment. For an ended sale or a
// stopped item it takes general stock. If stock or allowance is too small, it changes nothing and returns false.
func (tx *Tx) holdAgain(o *order.Order, actor string, at time.Time, mint *id.Mint) (bool, error) {
	if _, err := tx.Exec("SAVEPOINT again"); err != nil {
		return false, err
	}
	err := tx.tryHold(o, actor, at, mint)
	if err != nil {
		if lost := tx.Broken(err); lost != nil {
			return false, lost
		}
		if _, err := tx.Exec("ROLLBACK TO again"); err != nil {
			return false, err
		}
	}
	if _, err := tx.Exec("RELEASE SAVEPOINT again"); err != nil {
		return false, err
	}
	if errors.Is(err, fault.OutOfStock) || errors.Is(err, fault.LimitReached) {
		return false, nil
	}
	return err == nil, err
}

func (tx *Tx) tryHold(o *order.Order, actor string, at time.Time, mint *id.Mint) error {
	if err := tx.checkAllowance(o); err != nil {
		return err
	}
	for _, l := range o.Lines {
		if err := tx.lockPool(inventory.Pool{Sale: o.Sale, SKU: l.SKU}); err != nil {
			return err
		}
	}
	handsOn, err := tx.handsOn(o.Sale, skusOf(o.Lines))
	if err != nil {
		return err
	}
	for _, l := range o.Lines {
		if slices.Contains(handsOn, l.SKU) {
			if err := tx.allocate(o.Sale, l.SKU, l.Units, o.ID, actor, "paid after the end", at, mint); err != nil {
				return err
			}
		}
		m := inventory.Movement{ID: id.New[id.Movement](mint), Pool: inventory.Pool{Sale: o.Sale, SKU: l.SKU}, Kind: inventory.Reserve, Units: l.Units, Order: o.ID, Actor: actor, Reason: "paid late", At: at}
		if err := tx.move(m, o.Customer, l.Units); err != nil {
			return err
		}
	}
	return nil
}

// checkAllowance returns fault.LimitReached if this order and the customer's others would exceed the sale's limit.
func (tx *Tx) checkAllowance(o *order.Order) error {
	if o.Sale == 0 {
		return nil
	}
	if _, err := tx.lockAllowances(o.Sale, []id.Customer{o.Customer}); err != nil {
		return err
	}
	var used, limit int64
	err := tx.QueryRow(`
		SELECT COALESCE(SUM(o.units), 0), MAX(s.limit_per_customer)
		FROM sale AS s
		LEFT JOIN orders AS o
		  ON o.sale_id = s.id
		 AND o.customer_id = ?
		 AND o.id <> ?
		 AND o.status NOT IN ('expired', 'cancelled')
		WHERE s.id = ?`, []any{o.Customer, o.ID, o.Sale}, &used, &limit)
	if err != nil {
		return err
	}
	if limit > 0 && used+o.Units > limit {
		return fault.New(fault.LimitReached, "The customer's allowance is used up.")
	}
	return nil
}

// bringBack returns a refunded order's units to general stock if the refund says so. The customer's allowance does not
// grow again.
func (tx *Tx) bringBack(o *order.Order, actor string, at time.Time, mint *id.Mint) error {
	for _, l := range o.Lines {
		m := inventory.Movement{ID: id.New[id.Movement](mint), Pool: inventory.Pool{SKU: l.SKU}, Kind: inventory.Return, Units: l.Units, Order: o.ID, Actor: actor, Reason: "refunded", At: at}
		if err := tx.move(m, 0, 0); err != nil {
			return err
		}
	}
	return nil
}
