package audit

import (
	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/id"
)

// The subjects of violations: they are turned into words only where a violation is kept.
type (
	orderSubject    id.Order
	poolSubject     inventory.Pool
	skuSubject      id.SKU
	movementSubject id.Movement
	customerSubject struct {
		customer id.Customer
		sale     id.Sale
	}
)

// String implements fmt.Stringer.
func (o orderSubject) String() string { return "order " + id.Order(o).String() }

// String implements fmt.Stringer.
func (p poolSubject) String() string {
	if p.Sale == 0 {
		return "general stock of SKU " + p.SKU.String()
	}
	return "stock of SKU " + p.SKU.String() + " in sale " + p.Sale.String()
}

// String implements fmt.Stringer.
func (s skuSubject) String() string { return "SKU " + id.SKU(s).String() }

// String implements fmt.Stringer.
func (m movementSubject) String() string { return "movement " + id.Movement(m).String() }

// String implements fmt.Stringer.
func (c customerSubject) String() string {
	if c.sale == 0 {
		return "customer " + c.customer.String()
	}
	return "customer " + c.customer.String() + " in sale " + c.sale.String()
}
