package httpapi

import (
	"net/http"

	"github.com/tidegate/tidegate/api"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/webhook"
)

func viewWebhook(e *webhook.Endpoint) api.Webhook {
	return api.Webhook{
		Id: e.ID, Url: e.URL, Description: e.Description, Types: e.Types, Status: api.WebhookStatus(e.Status), PausedReason: e.PausedReason,
		FailingSince: api.At(e.FailingSince), LastError: e.LastError, DeliveredAt: api.At(e.DeliveredAt), Waiting: e.Waiting, CreatedAt: api.At(e.CreatedAt),
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
	e, err := s.Webhooks.Create(r.Context(), webhook.Input{URL: in.Url, Description: in.Description, Types: in.Types, Secret: in.Secret})
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.answer(w, r, http.StatusCreated, withSecret(&e))
}

func withSecret(e *webhook.Endpoint) api.CreatedWebhook {
	return api.CreatedWebhook{
		Id: e.ID, Url: e.URL, Description: e.Description, Types: e.Types, Status: api.WebhookStatus(e.Status), PausedReason: e.PausedReason,
		FailingSince: api.At(e.FailingSince), LastError: e.LastError, DeliveredAt: api.At(e.DeliveredAt), Waiting: e.Waiting, CreatedAt: api.At(e.CreatedAt),
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

// ListWebhookDeliveries implements api.ServerInterface.
func (s *Server) ListWebhookDeliveries(w http.ResponseWriter, r *http.Request, endpoint api.WebhookPath, params api.ListWebhookDeliveriesParams) {
	limit, before, err := pageOf[int64](r, params.Limit, params.Cursor)
	state := webhook.State(params.State)
	if err == nil && state != "" && state != webhook.Waiting && state != webhook.Delivered && state != webhook.Failed {
		err = fault.Bad("state", "It must be waiting, delivered or failed.")
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
	items, next := page(found, limit, func(d *webhook.Delivery) int64 { return d.Number })
	answer := api.WebhookDeliveryPage{Items: make([]api.WebhookDelivery, len(items)), NextCursor: next}
	for i, d := range items {
		one := api.WebhookDelivery{
			Number: d.Number, MessageId: webhook.MessageID(d.Position), Type: d.Type, At: api.At(d.At), State: api.WebhookState(d.State),
			Tries: d.Tries, LastStatus: d.LastStatus, LastError: d.LastError, SettledAt: api.At(d.SettledAt),
		}
		if d.State == webhook.Waiting {
			one.DueAt = api.At(d.DueAt)
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
