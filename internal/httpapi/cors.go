package httpapi

import (
	"net/http"

	"github.com/tidegate/tidegate/internal/wire"
)

// WithOrigins answers preflights and lets scripts of the origins read answers. Without origins it returns the handler itself.
func WithOrigins(o wire.Origins, next http.Handler) http.Handler {
	if o.None() {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Add("Vary", "Origin")
		origin := r.Header.Get("Origin")
		if !o.Allow(origin, r.URL.Path) {
			next.ServeHTTP(w, r)
			return
		}
		h.Set("Access-Control-Allow-Origin", origin)
		if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
			for _, one := range wire.CORSAnswer {
				h.Set(one.Name, one.Value)
			}
			next.ServeHTTP(w, r)
			return
		}
		for _, one := range wire.CORSPreflight {
			h.Set(one.Name, one.Value)
		}
		w.WriteHeader(http.StatusNoContent)
	})
}
