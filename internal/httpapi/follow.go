package httpapi

import (
	"context"
	"net/http"
	"time"

	"github.com/tidegate/tidegate/api"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/order"
	"github.com/tidegate/tidegate/internal/wire"
)

// follow reads the fate of a ticket's order, which must be this one, and where who is not zero theirs.
func (s *Server) follow(ctx context.Context, ticket string, o id.Order, who id.Customer, wait time.Duration) (order.Placed, error) {
	t, err := s.Orders.Ticket(ticket)
	if err != nil {
		return order.Placed{}, err
	}
	if t.Order != o || who != 0 && t.Customer != who {
		return order.Placed{}, fault.Bad("ticket", "It is another order's.")
	}
	return s.Orders.Follow(ctx, t, wait)
}

const (
	// followSlice is how long a stream waits before it says again that nothing is decided: a connection that is gone is
	// noticed then, and so is a process that stops.
	followSlice = 3 * time.Second
	// followMax ends a stream; a browser opens the next by itself.
	followMax = 10 * time.Minute
	// stoppingEvery bounds how long a stream holds up a stop.
	stoppingEvery = 500 * time.Millisecond
)

// holds returns how to ask again whether the session of a ticket is open. It returns fault.Unauthenticated where it has ended; a
// store that is away is no reason to turn a shopper off who waits.
func (s *Server) holds(ctx context.Context, ticket string) (still func(context.Context) error, err error) {
	t, err := s.Orders.Ticket(ticket)
	if err != nil {
		return nil, err
	}
	still = func(ctx context.Context) error {
		if s.Callers.SessionEnded(t.Session, t.Issued()) == nil {
			return nil
		}
		// After a crowd of revocations a process refuses all that is older, so that it is asked for anew. A ticket cannot be.
		return s.Callers.CheckSession(ctx, t.Session)
	}
	if err := s.Callers.CheckSession(ctx, t.Session); fault.CodeOf(err) == fault.Unauthenticated {
		return nil, err
	}
	return still, nil
}

// FollowOrder implements api.ServerInterface. The stream ends with the session that its ticket was handed to.
func (s *Server) FollowOrder(w http.ResponseWriter, r *http.Request, o api.OrderPath, params api.FollowOrderParams) {
	still, err := s.holds(r.Context(), params.Ticket)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	x := w.(*exchange)
	r, stop := s.watch(x, r, still)
	defer stop()
	placed, err := s.follow(r.Context(), params.Ticket, o, 0, 0)
	if fault.CodeOf(err) == fault.Invalid {
		s.fail(w, r, err) // the ticket; a refused order is an answer
		return
	}
	if s.Streams != nil {
		client := s.clientAddress(r)
		if !s.Streams.Enter(client) {
			s.fail(w, r, fault.New(fault.TooManyRequests, "Too many streams from this address; ask for the order instead.").After(time.Second))
			return
		}
		defer s.Streams.Leave(client)
	}
	x.Header().Set("Content-Type", wire.TypeEvents)
	x.Header()["Cache-Control"] = noStore
	x.Header().Set("X-Accel-Buffering", "no") // a proxy that gathers the answer would keep it until its end
	flush := http.NewResponseController(x.ResponseWriter)
	said := time.Time{}
	for end := time.Now().Add(followMax); ; {
		decided := err != nil || !placed.Undecided
		if decided || time.Since(said) >= followSlice {
			if said = time.Now(); !s.tell(x, &placed, err) || flush.Flush() != nil {
				return
			}
		}
		if decided || time.Now().After(end) || s.Stopping != nil && s.Stopping() || r.Context().Err() != nil {
			return
		}
		if placed, err = s.follow(r.Context(), params.Ticket, o, 0, stoppingEvery); r.Context().Err() != nil {
			return // what broke off says nothing of the order
		}
	}
}

// tell writes one event. It reports whether the client still listens.
func (s *Server) tell(x *exchange, placed *order.Placed, err error) bool {
	b := append(x.buffer[:0], "retry: 1000\nevent: "...)
	switch {
	case err != nil:
		e := wire.AsFault(err, false)
		b = append(append(b, order.Refused...), "\ndata: "...)
		b = wire.AppendProblem(b, e, x.requestID)
	case placed.Undecided:
		b = append(append(b, placed.Order.Status...), "\ndata: "...)
		b = placed.AppendJSON(b)
	default:
		b = append(b, "decided\ndata: "...)
		b = placed.AppendJSON(b)
	}
	b = append(b, "\n\n"...)
	x.buffer = b
	_, failed := x.Write(b)
	return failed == nil
}
