// Package account authenticates callers: customers with their passwords and sessions, and holders of admin API keys.
//
// Authorisation happens in the handlers: a handler requires a Principal, or an Admin with a Role, and returns a fault
// without it. A customer presents a short-lived signed access token, which is checked without I/O, and renews it with a
// refresh token that changes at each use. Every process refuses a revoked session within a second, however long its
// access token would still be valid.
package account

import (
	"slices"
	"strings"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
)

// Customer is a customer's account.
type Customer struct {
	ID        id.Customer
	Email     string // normalised by NormaliseEmail
	CreatedAt time.Time
	// BlockedAt is when the customer was blocked from signing in; zero: not blocked. See Service.Block.
	BlockedAt time.Time
}

// Principal is an authenticated customer.
type Principal struct {
	Customer id.Customer
	// Session is the session of the token. It is zero for a token made for a load test, which has no session and cannot
	// be revoked.
	Session id.Session
	// Expires is when the authentication expires.
	Expires time.Time
}

// Admin is the holder of an admin API key.
type Admin struct {
	// Key is zero for a key that exists only in this process.
	Key   id.AdminKey
	Name  string
	Roles Roles
}

// May reports whether the key's roles include the role. RoleAll includes every role.
func (a Admin) May(role Role) bool { return a.Roles.Include(role) }

// Key is an admin API key without its secret.
type Key struct {
	ID        id.AdminKey
	Name      string
	Roles     Roles
	CreatedAt time.Time
	// RevokedAt is zero while the key is valid.
	RevokedAt time.Time
}

// Role is a permission of an admin key for one area of the shop.
type Role string

// The roles.
const (
	RoleCatalog  Role = "catalog"
	RoleSales    Role = "sales"
	RoleOrders   Role = "orders"
	RolePayments Role = "payments"
	// RoleAll includes every role, and also the management of keys, the audit and repairs.
	RoleAll Role = "all"
)

// AllRoles returns every role, RoleAll last.
func AllRoles() []Role {
	return []Role{RoleCatalog, RoleSales, RoleOrders, RolePayments, RoleAll}
}

// nameCharactersMax bounds the name of a key.
const nameCharactersMax = 100

// Roles is a sorted set of roles.
type Roles []Role

// ParseRoles parses role names. It returns an Invalid fault for the field roles if there are none, one is unknown, or
// one is repeated.
func ParseRoles(names []string) (Roles, error) {
	if len(names) == 0 {
		return nil, fault.Bad("roles", "Name at least one role of %s.", roleNames())
	}
	var roles Roles
	for _, name := range names {
		role := Role(name)
		if !slices.Contains(AllRoles(), role) {
			return nil, fault.Bad("roles", "%.40q is not a role; take any of %s.", name, roleNames())
		}
		if slices.Contains(roles, role) {
			return nil, fault.Bad("roles", "The role %s is named twice.", name)
		}
		roles = append(roles, role)
	}
	slices.Sort(roles)
	return roles, nil
}

// Include reports whether the set covers the role.
func (r Roles) Include(role Role) bool {
	return slices.Contains(r, role) || slices.Contains(r, RoleAll)
}

// Strings returns the names.
func (r Roles) Strings() []string {
	names := make([]string, len(r))
	for i, role := range r {
		names[i] = string(role)
	}
	return names
}

// String returns the names, separated by spaces, as they are stored.
func (r Roles) String() string { return strings.Join(r.Strings(), " ") }

func roleNames() string { return strings.Join(Roles(AllRoles()).Strings(), ", ") }
