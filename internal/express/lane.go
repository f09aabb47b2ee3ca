package express

import (
	"bytes"
	"context"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
	"unsafe"

	"github.com/valyala/fasthttp"

	"github.com/tidegate/tidegate/internal/account"
	"github.com/tidegate/tidegate/internal/admission"
	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/order"
	"github.com/tidegate/tidegate/internal/wire"
)

// Names and values of headers, in the form that fasthttp takes without a conversion.
var (
	keyRequestID   = []byte("X-Request-Id")
	keyContentOpts = []byte("X-Content-Type-Options")
	keyCache       = []byte("Cache-Control")
	keyETag        = []byte("Etag")
	keyReplayed    = []byte("Idempotent-Replayed")
	keyRetryAfter  = []byte("Retry-After")

	noSniff        = []byte(wire.NoSniff)
	noStore        = []byte(wire.NoStore)
	mustRevalidate = []byte(wire.MustRevalidate)
	replayed       = []byte(wire.Replayed)
	typeJSON       = []byte(wire.TypeJSON)
)

const (
	headerAuthorization = "Authorization"
	headerKey           = "Idempotency-Key"
	headerIfNoneMatch   = "If-None-Match"
	headerRequestID     = "X-Request-Id"
	headerForwarded     = "X-Forwarded-For"
)

// background is the context of the modules' calls: a client that leaves does not take its order along, and what a module
// waits for has a limit of its own.
var background = context.Background()

// exchange is one request and its answer.
type exchange struct {
	server    *Server
	ctx       *fasthttp.RequestCtx
	who       account.Principal
	began     time.Time
	recorder  Recorder
	requestID []byte
	buffer    []byte
}

const (
	// bufferBytes fits the answer to an order, mostly.
	bufferBytes = 2 << 10
	// bufferBytesMax is the largest buffer that is kept for the next request.
	bufferBytesMax = 64 << 10
)

var exchanges = sync.Pool{New: func() any { return &exchange{buffer: make([]byte, 0, bufferBytes)} }}

// handle implements fasthttp.RequestHandler.
func (s *Server) handle(ctx *fasthttp.RequestCtx) { s.serve(ctx, ctx.Time(), nil) }

// serve answers one request; unread is why its body is not there.
func (s *Server) serve(ctx *fasthttp.RequestCtx, began time.Time, unread error) {
	x := s.begin(ctx, began)
	defer s.finish(x)
	if err := s.answer(x, unread); err != nil {
		s.fail(x, err)
	}
}

func (s *Server) begin(ctx *fasthttp.RequestCtx, began time.Time) *exchange {
	x := exchanges.Get().(*exchange)
	x.server, x.ctx, x.began, x.recorder = s, ctx, began, s.unknown
	var given []byte
	if all := ctx.Request.Header.PeekAll(headerRequestID); len(all) == 1 {
		given = all[0]
	}
	x.requestID = wire.AppendRequestID(x.requestID[:0], given)
	x.common()
	return x
}

// common sets the headers that every answer has.
func (x *exchange) common() {
	h := &x.ctx.Response.Header
	h.SetCanonical(keyRequestID, x.requestID)
	h.SetCanonical(keyContentOpts, noSniff)
}

// finish records the answer, and makes one of a panic: fasthttp would let it end the process.
func (s *Server) finish(x *exchange) {
	if p := recover(); p != nil {
		x.ctx.Response.Reset()
		x.common()
		s.fail(x, fault.Recovered(p))
	}
	x.recorder.Done(background, x.ctx.Response.StatusCode(), time.Since(x.began))
	x.ctx, x.recorder, x.who = nil, nil, account.Principal{}
	if cap(x.buffer) > bufferBytesMax {
		x.buffer = make([]byte, 0, bufferBytes)
	}
	exchanges.Put(x)
}

// answer finds the route and answers; the error is what to refuse with.
func (s *Server) answer(x *exchange, unread error) error {
	if err := checkFraming(x.ctx.Request.Header.RawHeaders()); err != nil {
		x.ctx.SetConnectionClose() // what follows on it may be a part of this request
		return err
	}
	if err := s.Admission.Arrive(admission.Request, x); err != nil {
		return err
	}
	raw := x.path()
	path := raw
	if strings.IndexByte(raw, '%') >= 0 {
		var err error
		if path, err = url.PathUnescape(raw); err != nil {
			return fault.Wrap(fault.BadRequest, err, "The address is not one.")
		}
	}
	h := &x.ctx.Request.Header
	post, get := h.IsPost(), h.IsGet() || h.IsHead()
	switch route, text := wire.HotRoute(path); {
	case route == wire.HotSaleOrder && post:
		return s.placeSaleOrder(x, text, unread)
	case route == wire.HotSale && get:
		return s.getSale(x, text)
	case route == wire.HotProduct && get:
		return s.getProduct(x, text)
	}
	return s.notHot(x, raw, get)
}

// Client implements admission.Visitor.
func (x *exchange) Client() netip.Addr {
	var peer netip.Addr
	if tcp, ok := x.ctx.RemoteAddr().(*net.TCPAddr); ok {
		peer = tcp.AddrPort().Addr()
	}
	return x.server.Proxies.ClientAddress(peer, func() string {
		return string(bytes.Join(x.ctx.Request.Header.PeekAll(headerForwarded), []byte{','}))
	})
}

// Authenticate implements admission.Visitor.
func (x *exchange) Authenticate() error {
	token, err := wire.Bearer(only(x.ctx.Request.Header.PeekAll(headerAuthorization)))
	if err != nil {
		return err
	}
	x.who, err = x.server.Callers.Authenticate(token)
	return err
}

// Customer implements admission.Visitor.
func (x *exchange) Customer() id.Customer { return x.who.Customer }

// path returns the request's path as it was sent, without its query. It shares the request's memory.
func (x *exchange) path() string {
	target := x.ctx.Request.Header.RequestURI()
	if len(target) > 0 && target[0] != '/' {
		target = x.ctx.URI().PathOriginal() // the absolute form, as a client sends it to a proxy
	}
	target, _, _ = bytes.Cut(target, []byte{'?'})
	return text(target)
}

// checkQuery refuses parameters: the routes of this lane have none. The error may outlive the request, so it has its own memory.
func (x *exchange) checkQuery() error {
	_, query, given := bytes.Cut(x.ctx.Request.Header.RequestURI(), []byte{'?'})
	if !given {
		return nil
	}
	return wire.CheckQuery(string(query), nil)
}

// notHot says what is wrong with a request that no route takes: the method, an id with a slash in it, or the address.
func (s *Server) notHot(x *exchange, raw string, get bool) error {
	route, _ := wire.HotRoute(raw)
	allow := "GET, HEAD"
	switch route {
	case wire.HotSaleOrder:
		allow = "POST"
	case wire.HotSale, wire.HotProduct:
		if get {
			return wire.MalformedID("id")
		}
	default:
		return wire.NothingHere()
	}
	x.ctx.Response.Header.Set("Allow", allow)
	return wire.MethodNotAllowed(allow, string(x.ctx.Method()))
}

func (s *Server) placeSaleOrder(x *exchange, saleID string, unread error) error {
	x.recorder = s.saleOrder
	h := &x.ctx.Request.Header
	x.ctx.Response.Header.SetCanonical(keyCache, noStore)
	if err := s.Admission.Enter(admission.Order, x); err != nil {
		return err
	}
	if err := x.checkQuery(); err != nil {
		return err
	}
	req := order.Request{Customer: x.who.Customer, Refusal: s.Admission.Hold(admission.Order, x)}
	var err error
	if req.Sale, err = id.Parse[id.Sale](saleID); err != nil {
		return wire.MalformedID("id")
	}
	key, given := only(h.PeekAll(headerKey))
	if err := wire.CheckKeyGiven(given); err != nil {
		return err
	}
	if err := wire.CheckJSONType(text(h.ContentType())); err != nil {
		return err
	}
	if unread != nil {
		return unread
	}
	// The order keeps its key and its lines until it is committed, which may be after this request has been answered.
	req.Key = strings.Clone(key)
	if req.Lines, err = wire.DecodeOrder[inventory.Line](nil, x.ctx.Request.Body()); err != nil {
		return err
	}
	placed, err := s.Orders.Place(background, req)
	if err != nil {
		return err
	}
	if placed.Replayed {
		x.ctx.Response.Header.SetCanonical(keyReplayed, replayed)
	}
	if placed.Ticket != "" {
		placed.Ticket = s.Orders.Bind(placed.Ticket, x.who.Session)
	}
	x.answerJSON(wire.PlacedStatus(placed.Undecided), placed.AppendJSON(x.buffer[:0]))
	return nil
}

func (s *Server) getSale(x *exchange, saleID string) error {
	x.recorder = s.sale
	if err := x.checkQuery(); err != nil {
		return err
	}
	parsed, err := id.Parse[id.Sale](saleID)
	if err != nil {
		return wire.MalformedID("id")
	}
	found, err := s.Sales.Published(background, parsed)
	if err != nil {
		return err
	}
	x.ctx.Response.Header.SetCanonical(keyCache, noStore) // what is left changes with every order
	x.answerJSON(fasthttp.StatusOK, found.AppendJSON(x.buffer[:0], s.Clock.Now(), s.Levels))
	return nil
}

func (s *Server) getProduct(x *exchange, productID string) error {
	x.recorder = s.product
	if err := x.checkQuery(); err != nil {
		return err
	}
	parsed, err := id.Parse[id.Product](productID)
	if err != nil {
		return wire.MalformedID("id")
	}
	page, err := s.Products.Product(background, parsed)
	if err != nil {
		return err
	}
	r := &x.ctx.Response
	r.Header.SetBytesK(keyETag, page.ETag)
	r.Header.SetCanonical(keyCache, mustRevalidate)
	if ifNoneMatch := x.ctx.Request.Header.Peek(headerIfNoneMatch); len(ifNoneMatch) > 0 && wire.Holds(text(ifNoneMatch), page.ETag) {
		r.SetStatusCode(fasthttp.StatusNotModified)
		return nil
	}
	r.Header.SetContentTypeBytes(typeJSON)
	r.SetBodyRaw(page.Body) // shared, and never changed
	return nil
}

// answerJSON answers with bytes that are JSON, and keeps them as the buffer of the next request.
func (x *exchange) answerJSON(status int, b []byte) {
	x.buffer = b
	x.ctx.Response.SetStatusCode(status)
	x.ctx.Response.Header.SetContentTypeBytes(typeJSON)
	if cap(b) > bufferBytesMax {
		x.ctx.Response.SetBodyRaw(b) // the connection would keep a copy for as long as it lives, and finish drops the buffer
		return
	}
	x.ctx.Response.SetBody(b)
}

// fail answers with the problem that err is. What somebody is to look at is logged with its cause, once, here.
func (s *Server) fail(x *exchange, err error) {
	e := wire.AsFault(err, false)
	s.faults.Failed(text(x.requestID), text(x.ctx.Method()), x.path(), e, err)
	status := e.Code.Row().Status
	h := &x.ctx.Response.Header
	if after := wire.RetryAfterSeconds(e); after > 0 {
		x.buffer = strconv.AppendInt(x.buffer[:0], after, 10)
		h.SetCanonical(keyRetryAfter, x.buffer)
	}
	if status == fasthttp.StatusUnauthorized {
		h.Set(fasthttp.HeaderWWWAuthenticate, wire.Challenge)
	}
	x.buffer = wire.AppendProblem(x.buffer[:0], e, text(x.requestID))
	x.ctx.Response.SetStatusCode(status)
	h.SetContentType(wire.TypeProblem)
	x.ctx.Response.SetBody(x.buffer)
}

// only returns the value of a header and how often it was given. It shares the request's memory.
func only(all [][]byte) (value string, given int) {
	if len(all) == 0 {
		return "", 0
	}
	return text(all[0]), len(all)
}

// text returns b as a text that shares its memory: good until the handler returns.
func text(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
