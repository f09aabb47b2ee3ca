package webhook

import (
	"context"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/id"
)

// Store is what webhooks need of the database. Safe for concurrent use.
type Store interface {
	InsertEndpoint(ctx context.Context, e Endpoint) error
	// Endpoints lists every endpoint, oldest first; counted ones say how much waits for them.
	Endpoints(ctx context.Context, counted bool) ([]Endpoint, error)
	// Endpoint reads one. It returns fault.NotFound.
	Endpoint(ctx context.Context, e id.Endpoint) (Endpoint, error)
	// DeleteEndpoint deletes an endpoint and its deliveries. It returns fault.NotFound.
	DeleteEndpoint(ctx context.Context, e id.Endpoint) error
	// PauseEndpoint has an endpoint told nothing, and keeps why; one that is paused stays as it is. It returns fault.NotFound.
	PauseEndpoint(ctx context.Context, e id.Endpoint, why string) (Endpoint, error)
	// ResumeEndpoint makes an endpoint active and has everything that waits for it tried from now on. It returns
	// fault.NotFound.
	ResumeEndpoint(ctx context.Context, e id.Endpoint, now time.Time) (Endpoint, error)
	// RotateEndpoint gives an endpoint a new secret, and keeps the one before until a moment. It returns fault.NotFound.
	RotateEndpoint(ctx context.Context, e id.Endpoint, secret string, until time.Time) (Endpoint, error)

	// AddDeliveries records deliveries in one transaction, each once for its endpoint and event.
	AddDeliveries(ctx context.Context, all []Delivery) error
	// DueEndpoints lists the active endpoints for which something is due.
	DueEndpoints(ctx context.Context, now time.Time) ([]Endpoint, error)
	// DueDeliveries lists up to limit deliveries of an endpoint that are due, oldest first.
	DueDeliveries(ctx context.Context, e id.Endpoint, now time.Time, limit int) ([]Delivery, error)
	// SettleDeliveries records how tries ended, and the endpoint's state after them, in one transaction. An endpoint that was
	// paused or deleted meanwhile stays so.
	SettleDeliveries(ctx context.Context, e Endpoint, all []Delivery) error
	// Deliveries lists up to limit deliveries of an endpoint, newest first, with numbers below before unless that is zero, in
	// one state unless that is empty.
	Deliveries(ctx context.Context, e id.Endpoint, state State, before int64, limit int) ([]Delivery, error)
	// RetryDelivery has a delivery tried again as new. It returns fault.NotFound.
	RetryDelivery(ctx context.Context, e id.Endpoint, number int64, now time.Time) error
	// CleanDeliveries deletes up to limit deliveries that were settled before a moment.
	CleanDeliveries(ctx context.Context, before time.Time, limit int) (int, error)
}
