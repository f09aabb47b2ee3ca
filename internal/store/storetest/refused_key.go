package storetest

import (
	"time"

	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/order"
	"github.com/tidegate/tidegate/internal/sale"
)

// shared drafts an order of a process that shares its gate and knows refusals up to a fence.
func (tr *Trade) shared(s *sale.Sale, c id.Customer, key string, fence int64, lines ...inventory.Line) *order.Draft {
	tr.T.Helper()
	now, err := tr.Store.Now(tr.T.Context())
	must(tr.T, err)
	d := tr.Order(s, c, key, lines...)
	d.Claim.Deadline, d.Claim.Fence = now.Add(time.Hour).UnixMilli(), fence
	return d
}

func (tr *Trade) refuse(drafts ...*order.Draft) (int64, []order.Outcome) {
	tr.T.Helper()
	var claims []*inventory.Claim
	for _, d := range drafts {
		claims = append(claims, &d.Claim)
	}
	fence, outcomes, err := tr.Store.RefuseKeys(tr.T.Context(), claims)
	must(tr.T, err)
	return fence, outcomes
}

// P32: a request made before its key was refused is never committed: alone and in a batch, in a sale and of general
// stock, direct and queued. Later requests and other keys are committed.
func orderRefusedKeys(tr *Trade) {
	for _, s := range []*sale.Sale{tr.Sale(50, 9, mug), nil} {
		if s == nil {
			tr.Receive(mug, 50)
		}
		newest, err := tr.Store.RefusalFence(tr.T.Context())
		must(tr.T, err)
		held := tr.shared(s, 1, "a", newest, Line(mug, 1))
		queued := tr.shared(s, 1, "q", newest, Line(mug, 1))
		queued.Claim.Queued, queued.Claim.Deadline = true, 0
		fence, outcomes := tr.refuse(tr.shared(s, 1, "a", newest, Line(mug, 1)), tr.shared(s, 1, "q", newest, Line(mug, 1)), tr.shared(s, 1, "a", newest, Line(mug, 2)))
		for _, out := range outcomes {
			tr.want(out, order.Declined)
		}
		if newest, err = tr.Store.RefusalFence(tr.T.Context()); err != nil || newest != fence {
			tr.T.Errorf("the newest refusal is %d, %v; want %d", newest, err, fence)
		}
		tr.want(tr.Commit(held)[0], order.Fenced)
		tr.wantAll([]*order.Draft{
			tr.shared(s, 2, "a", 0, Line(mug, 1)), held, tr.shared(s, 1, "b", 0, Line(mug, 1)), queued, tr.shared(s, 1, "A", 0, Line(mug, 1)),
		}, order.Accepted, order.Fenced, order.Accepted, order.Declined, order.Accepted)
		tr.absent(held, queued)
		refusal, err := tr.Store.Refusal(tr.T.Context(), queued.Order.ID)
		must(tr.T, err)
		same(tr.T, "why the queued one was refused", refusal.Code, fault.OrderClosed)

		later := tr.shared(s, 1, "a", fence, Line(mug, 1))
		tr.want(tr.Commit(later)[0], order.Accepted)
		tr.want(tr.Commit(held)[0], order.Replayed) // the key precedes every refusal
		// A key that has an order cannot be refused.
		other := tr.shared(s, 1, "a", fence, Line(mug, 3))
		_, outcomes = tr.refuse(tr.shared(s, 1, "a", fence, Line(mug, 1)), other, tr.shared(s, 1, "z", fence, Line(mug, 1)))
		tr.want(outcomes[0], order.Replayed)
		same(tr.T, "the key's order", outcomes[0].Existing.ID, later.Order.ID)
		tr.want(outcomes[1], order.KeyReused)
		tr.want(outcomes[2], order.Declined)
	}
}

// A single process knows all its orders: no other process refuses its keys.
func orderRefusedAlone(tr *Trade) {
	s := tr.Sale(9, 0, mug)
	alone := tr.Order(s, 1, "a", Line(mug, 1))
	tr.refuse(tr.shared(s, 1, "a", 0, Line(mug, 1)))
	tr.want(tr.Commit(alone)[0], order.Accepted)
}

func orderProbe(tr *Trade) {
	s := tr.Sale(9, 0, mug)
	d := tr.Order(s, 1, "a", Line(mug, 1))
	out, err := tr.Store.Probe(tr.T.Context(), &d.Claim)
	must(tr.T, err)
	tr.want(out, order.Declined)
	tr.absent(d)
	tr.want(tr.Commit(d)[0], order.Accepted)
	out, err = tr.Store.Probe(tr.T.Context(), &d.Claim)
	must(tr.T, err)
	tr.want(out, order.Replayed)
	same(tr.T, "its order", out.Existing.ID, d.Order.ID)
}
