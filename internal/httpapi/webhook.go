package httpapi

import (
	"net/http"

	"github.com/tidegate/tidegate/api"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/webhook"
)

func viewWebhook(e *webhook.Endpoint) api.Webhook {
	return api.Webhook{
		Id: e.ID, Url: e.URL, Description: e.Description, EventTypes: e.Types, IncludeRehearsals: e.Rehearsals, Status: api.WebhookStatus(e.Status), PausedReason: e.PausedReason,
		FailingSince: api.At(e.FailingSince), LastError: e.LastError, LastDeliveredAt: api.At(e.DeliveredAt), PendingDeliveries: e.Waiting, CreatedAt: api.At(e.CreatedAt),
	}
}

// ListWebhooks implements api.ServerInterface.
func (s *Server) ListWebhooks(w http.ResponseWriter, r *http.Request) {
	found, err := s.Webhooks.Endpoints(r.Context())
	if err != nil {
		s.fail(w, r, err)
		return
	}
	answer := api.WebhookList{Items: make([]api.Webhook, len(found))}
	for i := range found {
		answer.Items[i] = viewWebhook(&found[i])
	}
	s.answer(w, r, http.StatusOK, answer)
}

// CreateWebhook implements api.ServerInterface.
func (s *Server) CreateWebhook(w http.ResponseWriter, r *http.Request) {
	var in api.WebhookInput
	if err := s.read(w, r, &in); err != nil {
		s.fail(w, r, err)
		return
	}
	e, err := s.Webhooks.Create(r.Context(), webhook.Input{URL: in.Url, Description: in.Description, Types: in.EventTypes, Rehearsals: in.IncludeRehearsals, Secret: in.Secret})
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.answer(w, r, http.StatusCreated, withSecret(&e))
}

func withSecret(e *webhook.Endpoint) api.CreatedWebhook {
	return api.CreatedWebhook{
		Id: e.ID, Url: e.URL, Description: e.Description, EventTypes: e.Types, IncludeRehearsals: e.Rehearsals, Status: api.WebhookStatus(e.Status), PausedReason: e.PausedReason,
		FailingSince: api.At(e.FailingSince), LastError: e.LastError, LastDeliveredAt: api.At(e.DeliveredAt), PendingDeliveries: e.Waiting, CreatedAt: api.At(e.CreatedAt),
		Secret: e.Secret,
	}
}

// RotateWebhookSecret implements api.ServerInterface.
func (s *Server) RotateWebhookSecret(w http.ResponseWriter, r *http.Request, endpoint api.WebhookPath) {
	e, err := s.Webhooks.Rotate(r.Context(), endpoint)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.answer(w, r, http.StatusOK, withSecret(&e))
}

// GetWebhook implements api.ServerInterface.
func (s *Server) GetWebhook(w http.ResponseWriter, r *http.Request, endpoint api.WebhookPath) {
	e, err := s.Webhooks.Endpoint(r.Context(), endpoint)
	s.answerWebhook(w, r, &e, err)
}

// PauseWebhook implements api.ServerInterface.
func (s *Server) PauseWebhook(w http.ResponseWriter, r *http.Request, endpoint api.WebhookPath) {
	e, err := s.Webhooks.Pause(r.Context(), endpoint, "An operator paused it.")
	s.answerWebhook(w, r, &e, err)
}

// ResumeWebhook implements api.ServerInterface.
func (s *Server) ResumeWebhook(w http.ResponseWriter, r *http.Request, endpoint api.WebhookPath) {
	e, err := s.Webhooks.Resume(r.Context(), endpoint)
	s.answerWebhook(w, r, &e, err)
}

func (s *Server) answerWebhook(w http.ResponseWriter, r *http.Request, e *webhook.Endpoint, err error) {
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.answer(w, r, http.StatusOK, viewWebhook(e))
}

// DeleteWebhook implements api.ServerInterface.
func (s *Server) DeleteWebhook(w http.ResponseWriter, r *http.Request, endpoint api.WebhookPath) {
	s.answerGone(w, r, s.Webhooks.Delete(r.Context(), endpoint))
}

// deliveryStates maps the statuses of the API to the states of the outbox of webhooks.
var deliveryStates = map[api.WebhookDeliveryStatus]webhook.State{
	api.WebhookDeliveryStatusPending: webhook.Waiting, api.WebhookDeliveryStatusDelivered: webhook.Delivered, api.WebhookDeliveryStatusFailed: webhook.Failed,
}

func deliveryStatus(s webhook.State) api.WebhookDeliveryStatus {
	for status, state := range deliveryStates {
		if state == s {
			return status
		}
	}
	return ""
}

// ListWebhookDeliveries implements api.ServerInterface.
func (s *Server) ListWebhookDeliveries(w http.ResponseWriter, r *http.Request, endpoint api.WebhookPath, params api.ListWebhookDeliveriesParams) {
	limit, before, err := pageOf[int64](w, r, params.Limit, params.Cursor)
	state, known := deliveryStates[params.Status]
	if err == nil && !known && params.Status != "" {
		err = fault.Bad("status", "It must be pending, delivered or failed.")
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	found, err := s.Webhooks.Deliveries(r.Context(), endpoint, state, before, limit+1)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	items, next := page(w, r, found, limit, func(d *webhook.Delivery) int64 { return d.Number })
	answer := api.WebhookDeliveryPage{Items: make([]api.WebhookDelivery, len(items)), NextCursor: next}
	for i, d := range items {
		one := api.WebhookDelivery{
			Number: d.Number, MessageId: webhook.MessageID(d.Position), Type: d.Type, OccurredAt: api.At(d.At), Status: deliveryStatus(d.State),
			Attempts: d.Tries, LastResponseStatus: d.LastStatus, LastError: d.LastError, CompletedAt: api.At(d.SettledAt),
		}
		if d.State == webhook.Waiting {
			one.NextAttemptAt = api.At(d.DueAt)
		}
		answer.Items[i] = one
	}
	s.answer(w, r, http.StatusOK, answer)
}

// RetryWebhookDelivery implements api.ServerInterface.
func (s *Server) RetryWebhookDelivery(w http.ResponseWriter, r *http.Request, endpoint api.WebhookPath, number api.LetterPath) {
	err := checkNumber(number)
	if err == nil {
		err = s.Webhooks.Retry(r.Context(), endpoint, number)
	}
	s.answerGone(w, r, err)
}
