package client

// The codes of the shop, each with its number.
const (
	CodeInternal         Code = "internal"                 // 7000: Something went wrong on our side
	CodeBadRequest       Code = "bad_request"              // 4000: The request cannot be read
	CodeMissingKey       Code = "idempotency_key_required" // 4001: The Idempotency-Key header is required
	CodeUnauthenticated  Code = "unauthenticated"          // 4010: Sign in first
	CodeForbidden        Code = "forbidden"                // 4030: This key or account may not do that
	CodeNotFound         Code = "not_found"                // 4040: There is no such thing
	CodeMethodNotAllowed Code = "method_not_allowed"       // 4050: The address does not take this method
	CodeConflict         Code = "conflict"                 // 4090: It exists already
	CodeVersionMismatch  Code = "version_mismatch"         // 4120: It has changed in the meantime
	CodeBodyTooLarge     Code = "body_too_large"           // 4130: The body is too large
	CodeHeadersTooLarge  Code = "headers_too_large"        // 4310: The headers are too large
	CodeUnsupportedMedia Code = "unsupported_media_type"   // 4150: The body's type is not taken here
	CodeInvalid          Code = "invalid"                  // 4220: A value is not allowed
	CodeKeyReused        Code = "idempotency_key_reused"   // 4221: The Idempotency-Key was used for another order
	CodeSoldOut          Code = "sold_out"                 // 5001: Sold out
	CodeLimitReached     Code = "limit_reached"            // 5002: The limit for one customer is reached
	CodeSaleNotOpen      Code = "sale_not_open"            // 5003: The sale has not opened yet
	CodeSaleEnded        Code = "sale_ended"               // 5004: The sale has ended
	CodeSalePaused       Code = "sale_paused"              // 5005: The sale is paused
	CodeNotInSale        Code = "not_in_sale"              // 5006: The item cannot be bought here
	CodeOrderClosed      Code = "order_closed"             // 5007: The order is closed
	CodeBadTransition    Code = "illegal_transition"       // 5008: Its status does not allow that
	CodeOutOfStock       Code = "out_of_stock"             // 5009: There is not enough stock
	CodePaymentRefused   Code = "payment_refused"          // 5010: The payment provider refused
	CodeAmountMismatch   Code = "amount_mismatch"          // 5011: The payment does not fit the order
	CodeSaleLocked       Code = "sale_locked"              // 5012: The sale can no longer be changed like this
	CodeTooManyOrders    Code = "too_many_orders"          // 5013: One customer has placed as many orders in the sale as there may be
	CodeSellsInSale      Code = "sells_in_sale"            // 5014: It sells in a sale that is not over
	CodeTooManyUnpaid    Code = "too_many_unpaid"          // 5015: Too much from general stock waits for your payment
	CodeFewerLeft        Code = "fewer_left"               // 5016: Fewer are left than you ask for
	CodeTooManyRequests  Code = "too_many_requests"        // 6001: Too many requests
	CodeOverloaded       Code = "overloaded"               // 6002: Too busy for the moment
	CodeBadSignature     Code = "bad_signature"            // 6003: The signature does not fit
	CodeTimedOut         Code = "timed_out"                // 6004: It took too long
	CodeShuttingDown     Code = "shutting_down"            // 6005: This process is stopping
	CodeStoreUnavailable Code = "store_unavailable"        // 7001: The database cannot be written at the moment
	CodeOutcomeUnknown   Code = "outcome_unknown"          // 7002: It is not known yet whether it was done
	CodeStoreFull        Code = "store_full"               // 7003: The disk is full
)
