package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/tidegate/tidegate/api"
	"github.com/tidegate/tidegate/internal/account"
	"github.com/tidegate/tidegate/internal/kernel/auditlog"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/wire"
)

// need is what the contract asks of a caller.
type need struct {
	customer bool
	role     account.Role // of an admin; empty: no admin
	// operation is the route's name in the contract, subject its parameter in the path; empty where there is none.
	operation, subject string
	// query are the names of its parameters in the query, sorted.
	query []string
}

var pathParameter = regexp.MustCompile(`\{(\w+)\}`)

// securityOfContract is readSecurity of the contract, read once in a process. The map is not changed.
var securityOfContract = sync.OnceValues(func() (map[string]need, error) { return readSecurity(api.Spec) })

// readSecurity reads, for each route of the contract, what it asks of a caller. It returns an error for a contract that would
// leave an admin route open.
func readSecurity(spec []byte) (map[string]need, error) {
	var contract struct {
		Paths      map[string]map[string]yaml.Node `yaml:"paths"`
		Components struct {
			Parameters map[string]struct {
				Name string `yaml:"name"`
				In   string `yaml:"in"`
			} `yaml:"parameters"`
		} `yaml:"components"`
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
				ID         string                `yaml:"operationId"`
				Security   []map[string][]string `yaml:"security"`
				Parameters []struct {
					Ref  string `yaml:"$ref"`
					Name string `yaml:"name"`
					In   string `yaml:"in"`
				} `yaml:"parameters"`
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
			for _, p := range operation.Parameters {
				name, in := p.Name, p.In
				if shared, is := strings.CutPrefix(p.Ref, "#/components/parameters/"); is {
					name, in = contract.Components.Parameters[shared].Name, contract.Components.Parameters[shared].In
				}
				if in == "query" {
					n.query = append(n.query, name)
				}
			}
			slices.Sort(n.query)
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

// endGrace is how long an answer that has lost its right may take to say so.
const endGrace = time.Second

// watch has an answer that lasts end within a second of the right that still asks for, also where it is held up by its client: the
// request's context ends, and with it the connection's patience. Call stop when the answer has ended.
func (s *Server) watch(x *exchange, r *http.Request, still func(context.Context) error) (watched *http.Request, stop func()) {
	ctx, end := s.Callers.Watch(r.Context(), still)
	c := http.NewResponseController(x.ResponseWriter)
	lost := context.AfterFunc(ctx, func() {
		// A writer without deadlines, as in tests, has none to shorten.
		if r.ContentLength != 0 {
			_ = c.SetReadDeadline(time.Now())
		}
		_ = c.SetWriteDeadline(time.Now().Add(endGrace))
	})
	return r.WithContext(ctx), func() {
		lost()
		end()
	}
}

// still asks again whether the caller of a request may do what its route needs.
func (s *Server) still(r *http.Request, n need) func(context.Context) error {
	return func(ctx context.Context) error {
		token, err := bearer(r)
		if err != nil {
			return err
		}
		if n.customer {
			_, err = s.Callers.Authenticate(token)
			return err
		}
		who, err := s.Callers.AuthenticateAdmin(ctx, token)
		if err == nil && !who.May(n.role) {
			err = fault.New(fault.Forbidden, "This needs a key with the role %s.", n.role)
		}
		return err
	}
}

// lost returns why an answer that lasts has lost its right; nil where it has not.
func lost(ctx context.Context) error {
	if err := context.Cause(ctx); errors.Is(err, fault.Unauthenticated) || errors.Is(err, fault.Forbidden) {
		return err
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

// acting puts an operator's request that changes something into the audit log, with what it changes. It returns fault.Invalid for a
// reason that may not be kept.
func (s *Server) acting(x *exchange, r *http.Request) (*http.Request, error) {
	n := x.route.need
	if n.role == "" || r.Method == http.MethodGet {
		return r, nil
	}
	reason := r.Header.Get(reasonHeader)
	if decoded, err := url.PathUnescape(reason); err == nil {
		reason = decoded
	}
	reason, err := auditlog.CleanReason(reasonHeader, reason)
	if err != nil {
		return nil, err
	}
	return r.WithContext(s.because(r, x, reason)), nil
}

// because returns the request's context with another reason: the one that its body gave. One that may not be kept is refused by
// who is given the body, and stands in no log.
func (s *Server) because(r *http.Request, x *exchange, reason string) context.Context {
	n := x.route.need
	reason, _ = auditlog.CleanReason("reason", reason)
	return s.Callers.WithActor(r.Context(), x.admin, n.operation, r.PathValue(n.subject), reason)
}
