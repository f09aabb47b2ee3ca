package storefront

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/sale"
	"github.com/tidegate/tidegate/internal/web/lang"
	"github.com/tidegate/tidegate/internal/web/live"
	"github.com/tidegate/tidegate/internal/web/site"
)

const (
	// heartbeat is how often a viewer who is told nothing hears that the line is open: proxies cut silence after a minute.
	heartbeat = 20 * time.Second
	// tellWithin is how long a viewer may take to take a message before they are let go.
	tellWithin = 10 * time.Second
)

// message tells what a sale looks like now, in the form of server-sent events: the same bytes for every viewer of a language.
// It holds the items of the sale's first page; the further pages of a large sale are as they were when they were sent. See
// https://html.spec.whatwg.org/multipage/server-sent-events.html.
func (s *Storefront) message(m *live.Moment, language int) []byte {
	l := s.Site.Langs.All[language]
	shown := min(len(m.Left), saleItems)
	items := make(map[string]shownLeft, shown)
	for i := range shown {
		items[m.Sale.Items[i].SKU.String()] = leftOf(l, m, i)
	}
	text, err := json.Marshal(struct {
		Phase  sale.Status          `json:"phase"`
		Starts int64                `json:"starts"`
		Ends   int64                `json:"ends"`
		Gone   bool                 `json:"gone"` // every item of the sale is sold out
		Items  map[string]shownLeft `json:"items"`
	}{m.Phase, m.Sale.StartsAt.UnixMilli(), m.Sale.EndsAt.UnixMilli(), m.SoldOut(), items})
	if err != nil {
		panic(err) // texts and numbers marshal
	}
	return append(append([]byte("data: "), text...), "\n\n"...)
}

// shownLeft is what shoppers are told of what is left: nothing more than the sale's terms allow.
type shownLeft struct {
	Text string `json:"text"`
	// Share is what is left of the allocation in percent, rounded up.
	Share int64 `json:"share"`
	Sold  bool  `json:"sold"`
}

func leftOf(l *lang.Language, m *live.Moment, i int) shownLeft {
	n, all := m.Left[i], m.Sale.Items[i].Allocation
	switch {
	case m.Phase == sale.Ended: // nothing is for sale, but not because it was sold
		return shownLeft{}
	case n == live.Unknown: // an order decides
		return shownLeft{Text: l.T("left.unknown"), Share: 100}
	case n < 1:
		return shownLeft{Text: l.T("left.none"), Sold: true}
	}
	share := int64(100)
	if all > 0 {
		share = min((n*100+all-1)/all, 100)
	}
	if m.Sale.ShowsLeft != sale.Coarse {
		return shownLeft{Text: l.T("left", "n", n), Share: share}
	}
	band := sale.BandOf(n, all)
	return shownLeft{Text: l.T("left." + string(band)), Share: map[sale.Band]int64{sale.Plenty: 100, sale.Fewer: 50, sale.Last: 10}[band]}
}

// tellOnce answers with the present message, for whoever has no line open.
func (s *Storefront) tellOnce(v *site.Visit) error {
	m, err := s.look(v)
	if err != nil {
		return err
	}
	body := bytes.TrimSpace(bytes.TrimPrefix(m.Message(v.Lang.Index), []byte("data: ")))
	h := v.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	v.TellTime()
	// A client that has left is not told.
	_, _ = v.Write(body)
	return nil
}

func (s *Storefront) look(v *site.Visit) (*live.Moment, error) {
	saleID, err := site.PathID[id.Sale](v, "id")
	if err != nil {
		return nil, err
	}
	return s.board.Look(v.Request.Context(), saleID, v.Now())
}

// tellAlways sends a sale's messages as it changes. Beyond ViewersMax, and beyond what one address may hold, it sends nobody anything: the page then asks by itself.
func (s *Storefront) tellAlways(v *site.Visit) error {
	m, err := s.look(v)
	if err != nil {
		return err
	}
	h := v.Header()
	h.Set("Cache-Control", "no-store")
	if s.board.Viewers() >= int64(s.ViewersMax) || !s.Streams.Enter(v.Client()) {
		v.WriteHeader(http.StatusNoContent) // a browser does not come back after this
		return nil
	}
	defer s.Streams.Leave(v.Client())
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no") // a proxy that waits for more would hold the numbers back
	c := http.NewResponseController(v)
	// The server's limits are for answers that end; each message has its own.
	if err := c.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	send := func(b []byte) error {
		if err := c.SetWriteDeadline(time.Now().Add(tellWithin)); err != nil {
			return err
		}
		if _, err := v.Write(b); err != nil {
			return err
		}
		return c.Flush()
	}
	// Whoever loses the line comes back in two to five seconds, not all at once. The first thing told is the time.
	hello := fmt.Sprintf("retry: %d\nevent: clock\ndata: %d\n\n", 2000+rand.IntN(3000), s.Clock.Now().UnixMilli())
	if err := send([]byte(hello)); err != nil {
		return nil
	}
	language := v.Lang.Index
	// A viewer who has left ends it with the error of the write, which nobody needs to hear of.
	_ = s.board.Watch(v.Request.Context(), s.Site.Closing(), m.Sale.ID, heartbeat, func(m *live.Moment) error {
		if m == nil {
			return send([]byte(":\n\n"))
		}
		return send(m.Message(language))
	})
	return nil
}
