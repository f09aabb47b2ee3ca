package fault

import "net/http"

// Grade says who is alerted by a fault.
type Grade uint8

// The grades. P0: an invariant is broken. P1: the shop does not sell. P2: look at it in the morning.
const (
	None Grade = iota
	P2
	P1
	P0
)

// String returns the grade's name.
func (g Grade) String() string { return [...]string{"none", "P2", "P1", "P0"}[g] }

// Code is one row of the closed table of faults. Its zero value is Internal, so that an unforeseen error is never
// mistaken for a refusal.
type Code uint8

// The codes. 4xxx: the request. 5xxx: the business. 6xxx: load, signatures and time. 7xxx: the database and the
// process.
const (
	Internal Code = iota

	BadRequest
	MissingKey
	Unauthenticated
	Forbidden
	NotFound
	MethodNotAllowed
	Conflict
	BodyTooLarge
	HeadersTooLarge
	UnsupportedMedia
	KeyReused
	Invalid
	VersionMismatch

	SoldOut
	LimitReached
	SaleNotOpen
	SaleEnded
	SalePaused
	NotInSale
	OrderClosed
	BadTransition
	OutOfStock
	PaymentRefused
	AmountMismatch
	SaleLocked
	TooManyOrders
	SellsInSale
	TooManyUnpaid
	FewerLeft

	TooManyRequests
	Overloaded
	BadSignature
	TimedOut
	ShuttingDown

	StoreUnavailable
	OutcomeUnknown
	StoreFull

	codes
)

// Row is the table's entry for a code.
type Row struct {
	Slug   string
	Number int
	Status int
	Grade  Grade
	Title  string
}

var table = [codes]Row{
	Internal: {"internal", 7000, http.StatusInternalServerError, P1, "Something went wrong on our side"},

	BadRequest:       {"bad_request", 4000, http.StatusBadRequest, None, "The request cannot be read"},
	MissingKey:       {"idempotency_key_required", 4001, http.StatusBadRequest, None, "The Idempotency-Key header is required"},
	Unauthenticated:  {"unauthenticated", 4010, http.StatusUnauthorized, None, "Sign in first"},
	Forbidden:        {"forbidden", 4030, http.StatusForbidden, None, "This key or account may not do that"},
	NotFound:         {"not_found", 4040, http.StatusNotFound, None, "There is no such thing"},
	MethodNotAllowed: {"method_not_allowed", 4050, http.StatusMethodNotAllowed, None, "The address does not take this method"},
	Conflict:         {"conflict", 4090, http.StatusConflict, None, "It exists already"},
	VersionMismatch:  {"version_mismatch", 4120, http.StatusPreconditionFailed, None, "It has changed in the meantime"},
	BodyTooLarge:     {"body_too_large", 4130, http.StatusRequestEntityTooLarge, None, "The body is too large"},
	HeadersTooLarge:  {"headers_too_large", 4310, http.StatusRequestHeaderFieldsTooLarge, None, "The headers are too large"},
	UnsupportedMedia: {"unsupported_media_type", 4150, http.StatusUnsupportedMediaType, None, "The body's type is not taken here"},
	Invalid:          {"invalid", 4220, http.StatusUnprocessableEntity, None, "A value is not allowed"},
	KeyReused:        {"idempotency_key_reused", 4221, http.StatusUnprocessableEntity, None, "The Idempotency-Key was used for another order"},

	SoldOut:        {"sold_out", 5001, http.StatusConflict, None, "Sold out"},
	LimitReached:   {"limit_reached", 5002, http.StatusConflict, None, "The limit for one customer is reached"},
	SaleNotOpen:    {"sale_not_open", 5003, http.StatusConflict, None, "The sale has not opened yet"},
	SaleEnded:      {"sale_ended", 5004, http.StatusConflict, None, "The sale has ended"},
	SalePaused:     {"sale_paused", 5005, http.StatusConflict, None, "The sale is paused"},
	NotInSale:      {"not_in_sale", 5006, http.StatusUnprocessableEntity, None, "The item cannot be bought here"},
	OrderClosed:    {"order_closed", 5007, http.StatusConflict, None, "The order is closed"},
	BadTransition:  {"illegal_transition", 5008, http.StatusConflict, None, "Its status does not allow that"},
	OutOfStock:     {"out_of_stock", 5009, http.StatusConflict, None, "There is not enough stock"},
	PaymentRefused: {"payment_refused", 5010, http.StatusConflict, None, "The payment provider refused"},
	AmountMismatch: {"amount_mismatch", 5011, http.StatusUnprocessableEntity, P2, "The payment does not fit the order"},
	SaleLocked:     {"sale_locked", 5012, http.StatusConflict, None, "The sale can no longer be changed like this"},
	TooManyOrders:  {"too_many_orders", 5013, http.StatusConflict, None, "One customer has placed as many orders in the sale as there may be"},
	SellsInSale:    {"sells_in_sale", 5014, http.StatusConflict, None, "It sells in a sale that is not over"},
	FewerLeft:      {"fewer_left", 5016, http.StatusConflict, None, "Fewer are left than you ask for"},
	TooManyUnpaid:  {"too_many_unpaid", 5015, http.StatusConflict, None, "Too much from general stock waits for your payment"},

	TooManyRequests: {"too_many_requests", 6001, http.StatusTooManyRequests, None, "Too many requests"},
	Overloaded:      {"overloaded", 6002, http.StatusServiceUnavailable, P2, "Too busy for the moment"},
	BadSignature:    {"bad_signature", 6003, http.StatusUnauthorized, P2, "The signature does not fit"},
	TimedOut:        {"timed_out", 6004, http.StatusServiceUnavailable, P2, "It took too long"},
	ShuttingDown:    {"shutting_down", 6005, http.StatusServiceUnavailable, None, "This process is stopping"},

	StoreUnavailable: {"store_unavailable", 7001, http.StatusServiceUnavailable, P1, "The database cannot be written at the moment"},
	OutcomeUnknown:   {"outcome_unknown", 7002, http.StatusServiceUnavailable, P1, "It is not known yet whether it was done"},
	StoreFull:        {"store_full", 7003, http.StatusServiceUnavailable, P1, "The disk is full"},
}

// Row returns the table's entry for the code.
func (c Code) Row() Row {
	if c >= codes {
		c = Internal
	}
	return table[c]
}

// Codes returns every code, in the order of the table.
func Codes() []Code {
	all := make([]Code, codes)
	for i := range all {
		all[i] = Code(i)
	}
	return all
}

// Parse returns the code of a slug; false if there is no such code.
func Parse(slug string) (Code, bool) {
	for c := range codes {
		if table[c].Slug == slug {
			return c, true
		}
	}
	return Internal, false
}

// String returns the code's slug.
func (c Code) String() string { return c.Row().Slug }
