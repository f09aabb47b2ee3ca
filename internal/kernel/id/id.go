// Package id holds all typed identifiers of the shop.
//
// An id is a 63-bit snowflake: 41 bits of milliseconds since Epoch, 10 bits of node, 12 bits of sequence. It is a
// decimal string in JSON, because JavaScript's numbers are exact only up to 2^53, and a BIGINT in SQL.
package id

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"strconv"
)

// ID is an identifier of one kind of thing; K only distinguishes kinds at compile time. The zero value means "none".
type ID[K any] int64

type (
	product      struct{}
	sku          struct{}
	category     struct{}
	brand        struct{}
	sale         struct{}
	order        struct{}
	customer     struct{}
	session      struct{}
	adminKey     struct{}
	movement     struct{}
	attempt      struct{}
	refund       struct{}
	notification struct{}
	auditEntry   struct{}
	endpoint     struct{}
)

// The kinds of identifier. They are different types: an Order cannot be passed for a SKU.
type (
	// Product identifies a product of the catalogue.
	Product = ID[product]
	// SKU identifies a variant of a product: the unit of stock and sale.
	SKU = ID[sku]
	// Category identifies a category of products.
	Category = ID[category]
	// Brand identifies a brand.
	Brand = ID[brand]
	// Sale identifies a sale. As a pool, the zero value is the general pool.
	Sale = ID[sale]
	// Order identifies an order, and the reservation made for it.
	Order = ID[order]
	// Customer identifies a customer.
	Customer = ID[customer]
	// Session identifies a customer's session.
	Session = ID[session]
	// AdminKey identifies an admin API key.
	AdminKey = ID[adminKey]
	// Movement identifies a row of the stock ledger.
	Movement = ID[movement]
	// Attempt identifies a payment attempt.
	Attempt = ID[attempt]
	// Refund identifies a refund.
	Refund = ID[refund]
	// Notification identifies a notification sent by the sandbox provider.
	Notification = ID[notification]
	// AuditEntry identifies an entry of the audit log.
	AuditEntry = ID[auditEntry]
	// Endpoint identifies an address that receives events.
	Endpoint = ID[endpoint]
)

// ErrMalformed says that a text is not an id: decimal digits without sign or leading zero, from 1 to 2^63-1.
var ErrMalformed = errors.New("an id is a decimal number from 1 to 9223372036854775807, without sign or leading zero")

// Parse parses an id in decimal form. It returns ErrMalformed for every text that String cannot return.
func Parse[T ~int64](s string) (T, error) {
	if s == "" || len(s) > 19 || s[0] < '1' || s[0] > '9' {
		return 0, ErrMalformed
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0, ErrMalformed
	}
	return T(n), nil
}

// String returns the decimal form.
func (i ID[K]) String() string { return strconv.FormatInt(int64(i), 10) }

// IsZero reports whether i identifies nothing.
func (i ID[K]) IsZero() bool { return i == 0 }

// Append appends the decimal form to b.
func (i ID[K]) Append(b []byte) []byte { return strconv.AppendInt(b, int64(i), 10) }

// MarshalText implements encoding.TextMarshaler, and so the JSON form: a string.
func (i ID[K]) MarshalText() ([]byte, error) { return i.Append(nil), nil }

// UnmarshalText implements encoding.TextUnmarshaler. It returns ErrMalformed.
func (i *ID[K]) UnmarshalText(b []byte) error {
	n, err := Parse[ID[K]](string(b))
	if err != nil {
		return err
	}
	*i = n
	return nil
}

// Value implements driver.Valuer.
func (i ID[K]) Value() (driver.Value, error) { return int64(i), nil }

// Scan implements sql.Scanner. NULL is the zero id.
func (i *ID[K]) Scan(src any) error {
	switch v := src.(type) {
	case int64:
		*i = ID[K](v)
	case nil:
		*i = 0
	default:
		return fmt.Errorf("an id cannot be read from a column of type %T", src)
	}
	return nil
}
