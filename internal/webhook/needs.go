package webhook

import (
	"context"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/id"
)

// Store is the database as webhooks need it. It is safe for concurrent use.
type Store interface {
	InsertEndpoint(ctx context.Context, e Endpoint) error
	// Endpoints lists every endpoint, oldest first. counted also fills Waiting.
	Endpoints(ctx context.Context, counted bool) ([]Endpoint, error)
	// Endpoint returns an endpoint. It returns fault.NotFound.
	Endpoint(ctx context.Context, e id.Endpoint) (Endpoint, error)
	// DeleteEndpoint deletes an endpoint and its deliveries. It returns fault.NotFound.
	DeleteEndpoint(ctx context.Context, e id.Endpoint) error
	// PauseEndpoint pauses an endpoint and stores the reason. A paused endpoint stays as it is. It returns
	// fault.NotFound.
	PauseEndpoint(ctx context.Context, e id.Endpoint, why string) (Endpoint, error)
	// ResumeEndpoint makes an endpoint active, and makes its waiting deliveries due now. It returns fault.NotFound.
	ResumeEndpoint(ctx context.Context, e id.Endpoint, now time.Time) (Endpoint, error)
	// RotateEndpoint gives an endpoint a new secret, and keeps the previous one until a time. It returns
	// fault.NotFound.
	RotateEndpoint(ctx context.Context, e id.Endpoint, secret string, until time.Time) (Endpoint, error)

	// AddDeliveries records deliveries in one transaction, one for each endpoint and event.
	AddDeliveries(ctx context.Context, all []Delivery) error
	// DueEndpoints lists the active endpoints with due deliveries.
	DueEndpoints(ctx context.Context, now time.Time) ([]Endpoint, error)
	// DueDeliveries lists up to limit due deliveries of an endpoint, oldest first.
	DueDeliveries(ctx context.Context, e id.Endpoint, now time.Time, limit int) ([]Delivery, error)
	// SettleDeliveries records the results of tries and the endpoint's state after them, in one transaction. An
	// endpoint that was paused or deleted meanwhile stays paused or deleted.
	SettleDeliveries(ctx context.Context, e Endpoint, all []Delivery) error
	// Deliveries lists up to limit deliveries of an endpoint, newest first. before, if not zero, selects smaller
	// numbers; state, if not empty, one state.
	Deliveries(ctx context.Context, e id.Endpoint, state State, before int64, limit int) ([]Delivery, error)
	// RetryDelivery makes a delivery due again, as new. It returns fault.NotFound.
	RetryDelivery(ctx context.Context, e id.Endpoint, number int64, now time.Time) error
	// CleanDeliveries deletes up to limit deliveries that were settled before a time.
	CleanDeliveries(ctx context.Context, before time.Time, limit int) (int, error)
}
