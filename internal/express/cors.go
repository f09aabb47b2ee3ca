package express

import (
	"net/http"

	"github.com/valyala/fasthttp"

	"github.com/tidegate/tidegate/internal/wire"
)

// withOrigins is httpapi.WithOrigins of this lane. Without origins it returns the handler itself.
func withOrigins(o wire.Origins, next fasthttp.RequestHandler) fasthttp.RequestHandler {
	if o.None() {
		return next
	}
	return func(ctx *fasthttp.RequestCtx) {
		origin := string(ctx.Request.Header.Peek("Origin"))
		allowed := o.Allow(origin, string(ctx.Path()))
		headers := wire.CORSAnswer
		if allowed && string(ctx.Method()) == http.MethodOptions && len(ctx.Request.Header.Peek("Access-Control-Request-Method")) > 0 {
			headers = wire.CORSPreflight
			ctx.SetStatusCode(http.StatusNoContent)
		} else {
			next(ctx)
		}
		h := &ctx.Response.Header
		h.Add("Vary", "Origin")
		if !allowed {
			return
		}
		h.Set("Access-Control-Allow-Origin", origin)
		for _, one := range headers {
			h.Set(one.Name, one.Value)
		}
	}
}
