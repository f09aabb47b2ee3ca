package client

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// Purchase is what a customer wants to buy.
type Purchase struct {
	// Sale is the sale to buy in; empty for general stock at list price.
	Sale SaleId
	// Lines are what to buy, all or none.
	Lines []OrderRequestLine
	// Key names this purchase to the shop: the same key never buys twice. NewKey makes it where it is empty; who has to survive a crash
	// makes and keeps it before.
	Key IdempotencyKey
}

// Buy places an order and, where the shop answers that it is not decided yet, waits for the decision. It returns the order, or an *Error
// such as CodeSoldOut. Where ctx ends first the outcome is not known: call Buy again with the same key.
func (s *Shop) Buy(ctx context.Context, p Purchase) (*Order, error) {
	order, ticket, err := s.Place(ctx, p)
	if err != nil || order != nil {
		return order, err
	}
	return s.AwaitOrder(ctx, *ticket)
}

// Place places an order. It returns the order, or the ticket of one that is queued or undecided: see AwaitOrder.
func (s *Shop) Place(ctx context.Context, p Purchase) (*Order, *OrderTicket, error) {
	body := OrderRequest{Lines: p.Lines}
	if p.Sale != "" {
		answer, err := s.PlaceSaleOrderWithResponse(ctx, p.Sale, &PlaceSaleOrderParams{IdempotencyKey: p.Key}, body)
		if err != nil {
			return nil, nil, err
		}
		return placed(answer.HTTPResponse, answer.JSON201, answer.JSON202)
	}
	answer, err := s.PlaceOrderWithResponse(ctx, &PlaceOrderParams{IdempotencyKey: p.Key}, body)
	if err != nil {
		return nil, nil, err
	}
	return placed(answer.HTTPResponse, answer.JSON201, answer.JSON202)
}

// awaitStep is how long one read is held back by the shop.
const awaitStep = 20 * time.Second

// awaitPauseMin keeps a shop that answers at once from being asked in a tight loop.
const awaitPauseMin = 200 * time.Millisecond

// AwaitOrder follows the ticket of a 202 until the order is decided, or ctx ends. It returns the order, or an *Error that says why it could
// not be had.
func (s *Shop) AwaitOrder(ctx context.Context, t OrderTicket) (*Order, error) {
	for {
		began := time.Now()
		answer, err := s.GetOrderWithResponse(ctx, t.Id, &GetOrderParams{Wait: fmt.Sprintf("%ds", int(awaitStep.Seconds())), Ticket: t.Ticket})
		if err != nil {
			return nil, err
		}
		order, ticket, err := placed(answer.HTTPResponse, answer.JSON200, answer.JSON202)
		if err != nil || order != nil {
			return order, err
		}
		t = *ticket
		if took := time.Since(began); took < awaitPauseMin && !wait(ctx, awaitPauseMin-took) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
	}
}

// placed returns what one of the two answers holds.
func placed(answer *http.Response, order *Order, ticket *OrderTicket) (*Order, *OrderTicket, error) {
	if order == nil && ticket == nil {
		return nil, nil, unexpected(answer)
	}
	return order, ticket, nil
}

// unexpected is the error for an answer that the contract does not have.
func unexpected(answer *http.Response) error {
	return fmt.Errorf("the shop answered %s, which this client does not know", answer.Status)
}
