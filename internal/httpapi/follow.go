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

// FollowOrder implements api.ServerInterface.
func (s *Server) FollowOrder(w http.ResponseWriter, r *http.Request, o api.OrderPath, params api.FollowOrderParams) {
	placed, err := s.follow(r.Context(), params.Ticket, o, 0, 0)
	if fault.CodeOf(err) == fault.Invalid {
		s.fail(w, r, err) // the ticket; a refused order is an answer
		return
	}
	x := w.(*exchange)
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
		placed, err = s.follow(r.Context(), params.Ticket, o, 0, stoppingEvery)
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
