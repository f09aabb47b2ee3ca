package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/tidegate/tidegate/internal/account"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/wire"
)

// need is what the contract asks of a caller.
type need struct {
	customer bool
	role     account.Role // of an admin; empty: no admin
	// operation is the route's name in the contract, subject its parameter in the path; empty where there is none.
	operation, subject string
}

var pathParameter = regexp.MustCompile(`\{(\w+)\}`)

// readSecurity reads, for each route of the contract, what it asks of a caller. It returns an error for a contract that would
// leave an admin route open.
func readSecurity(spec []byte) (map[string]need, error) {
	var contract struct {
		Paths map[string]map[string]yaml.Node `yaml:"paths"`
	}
	if err := yaml.Unmarshal(spec, &contract); err != nil {
		return nil, fmt.Errorf("read the contract: %w", err)
	}
	needs := map[string]need{}
	for path, operations := range contract.Paths {
		for method, node := range operations {
			if method == "parameters" {
				continue
			}
			var operation struct {
				ID       string                `yaml:"operationId"`
				Security []map[string][]string `yaml:"security"`
			}
			if err := node.Decode(&operation); err != nil {
				return nil, fmt.Errorf("read the contract of %s %s: %w", method, path, err)
			}
			n, err := readNeed(operation.Security)
			if err != nil {
				return nil, fmt.Errorf("the security of %s %s: %w", method, path, err)
			}
			if n.role == "" && strings.HasPrefix(path, "/v1/admin/") {
				return nil, fmt.Errorf("the security of %s %s: an admin route that asks for no role would be open to all", method, path)
			}
			n.operation = operation.ID
			if found := pathParameter.FindStringSubmatch(path); found != nil {
				n.subject = found[1]
			}
			needs[strings.ToUpper(method)+" "+path] = n
		}
	}
	return needs, nil
}

func readNeed(security []map[string][]string) (n need, err error) {
	if len(security) == 0 {
		return n, nil
	}
	scopes, isAdmin := security[0]["admin"]
	_, n.customer = security[0]["customer"]
	if len(security) != 1 || len(security[0]) != 1 || isAdmin == n.customer || isAdmin && len(scopes) != 1 {
		return n, fmt.Errorf("is not one of customer and admin, with one role: %v", security)
	}
	if isAdmin {
		n.role = account.Role(scopes[0])
	}
	return n, nil
}

// admit finds out who asks, and whether they may. It returns fault.Unauthenticated,
// fault.Forbidden or fault.TooManyRequests.
func (s *Server) admit(x *exchange, r *http.Request, n need) (err error) {
	if !n.customer && n.role == "" {
		return nil
	}
	h := x.Header()
	h["Cache-Control"] = noStore
	token, err := bearer(r)
	if err != nil {
		return err
	}
	if n.customer {
		if x.customer, err = s.Callers.Authenticate(token); err != nil {
			return err
		}
		return s.limitCustomer(x)
	}
	if x.admin, err = s.Callers.AuthenticateAdmin(r.Context(), token); err != nil {
		return err
	}
	if !x.admin.May(n.role) {
		return fault.New(fault.Forbidden, "This needs a key with the role %s.", n.role)
	}
	return nil
}

// bearer returns the token of an Authorization header.
func bearer(r *http.Request) (string, error) {
	given := r.Header["Authorization"]
	if len(given) == 0 {
		return wire.Bearer("", 0)
	}
	return wire.Bearer(given[0], len(given))
}

// reasonHeader says why an operator does something: for people, percent-encoded where it has more than ASCII.
const reasonHeader = "Audit-Reason"

// acting puts an operator's request that changes something into the audit log, with what it changes.
func (s *Server) acting(x *exchange, r *http.Request) *http.Request {
	n := x.route.need
	if n.role == "" || r.Method == http.MethodGet {
		return r
	}
	reason := r.Header.Get(reasonHeader)
	if decoded, err := url.PathUnescape(reason); err == nil {
		reason = decoded
	}
	return r.WithContext(s.because(r, x, strings.ToValidUTF8(reason, "")))
}

// because returns the request's context with another reason: the one that its body gave.
func (s *Server) because(r *http.Request, x *exchange, reason string) context.Context {
	n := x.route.need
	return s.Callers.Acting(r.Context(), x.admin, n.operation, r.PathValue(n.subject), reason)
}
