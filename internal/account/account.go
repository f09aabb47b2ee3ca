// Package account knows who is asking: customers, their passwords and sessions, and the shop's admin API keys.
//
// It owns sign-in and the proof of it. What a customer or a key may then do is decided where it is done: a handler asks
// for a Principal, or for an Admin with a Role, and gets a fault where there is none. A customer proves a sign-in with a
// short signed access token, checked without I/O, and renews it with a refresh token that changes at each use. A
// session that was ended is refused within a second in every process, however long its access token would still run.
package account

import (
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
)

// Customer is someone who can buy.
type Customer struct {
	ID        id.Customer
	Email     string // normalised by NormaliseEmail
	CreatedAt time.Time
	// BlockedAt is since when they may not sign in; zero: they may. See Service.Block.
	BlockedAt time.Time
}

// Principal is a customer who has proved who they are.
type Principal struct {
	Customer id.Customer
	// Session is the sign-in behind the token. It is zero for a token minted for a load test: such a token belongs to no
	// session and cannot be revoked.
	Session id.Session
	// Expires is when the proof ends.
	Expires time.Time
}

// Admin is the holder of an admin API key.
type Admin struct {
	// Key is zero for a key that lives in this process only.
	Key   id.AdminKey
	Name  string
	Roles Roles
}

// May reports whether the holder may do what needs the role. RoleAll may do everything.
func (a Admin) May(role Role) bool { return a.Roles.Include(role) }

// Key is an admin API key as it is kept and listed: without its secret.
type Key struct {
	ID        id.AdminKey
	Name      string
	Roles     Roles
	CreatedAt time.Time
	// RevokedAt is zero while the key is good.
	RevokedAt time.Time
}

// Role is one part of the shop that a key opens.
type Role string

// The roles.
const (
	RoleCatalog  Role = "catalog"
	RoleSales    Role = "sales"
	RoleOrders   Role = "orders"
	RolePayments Role = "payments"
	// RoleAll is every role, and the keys, the audit and the repair besides.
	RoleAll Role = "all"
)

// AllRoles returns every role, RoleAll last.
func AllRoles() []Role {
	return []Role{RoleCatalog, RoleSales, RoleOrders, RolePayments, RoleAll}
}

// nameCharactersMax bounds the name of a key.
const nameCharactersMax = 100

// cleanName returns a name as it is kept: NFC, without space around it. It returns an Invalid fault of the field name.
func cleanName(name string) (string, error) {
	if !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl) {
		return "", fault.Bad("name", "A name is UTF-8 text on one line.")
	}
	name = strings.TrimSpace(name)
	if utf8.RuneCountInString(name) > nameCharactersMax {
		return "", fault.Bad("name", "A name has at most %d characters.", nameCharactersMax)
	}
	return norm.NFC.String(name), nil
}

// Roles is a set of roles: sorted, each once.
type Roles []Role

// ParseRoles reads role names. It returns an Invalid fault of the field roles for none, for an unknown name and for one
// that is named twice.
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

// String returns the names with a space between them, the form in which they are stored.
func (r Roles) String() string { return strings.Join(r.Strings(), " ") }

func roleNames() string { return strings.Join(Roles(AllRoles()).Strings(), ", ") }
