package drill

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidegate/tidegate/internal/drill/load"
)

const (
	viewersMax = 50_000
	// viewedOrders is how many orders a second a watched sale takes: more than the looks that its viewers are told of, so that
	// every look finds a change.
	viewedOrders = 20
	// viewersDialled is how many viewers come at the same time.
	viewersDialled = 64
)

// measureViewers measures what it costs the shop that Viewers shoppers watch a sale's numbers: the processor time of a sale that takes a few
// orders a second, with them and without. Where the shop does not tell its processor time, nothing is noted.
func (d *drill) measureViewers(ctx context.Context, target *load.Target, r *Result) (all []*preparedSale, err error) {
	w := &viewers{}
	defer w.leave()
	var cores [2]float64
	var told int64
	n := max(1, int(viewedOrders*d.Measure.Seconds()))
	for i, name := range []string{"unwatched", "watched"} {
		s, err := d.prepare(ctx, input(&d.Night, "", n, int64(n), 1), 1, 1, 0)
		if err != nil {
			return all, err
		}
		all = append(all, s)
		if i == 1 {
			if err := w.come(ctx, target, "/sales/"+s.books.Sale.SaleId.String()+"/live", d.Viewers); err != nil {
				return all, err
			}
			told = w.told.Load()
		}
		before, began := d.client.usage(ctx, d.pid()), time.Now()
		if _, err := d.buy(ctx, target, r, s, name, accepted, constant(n, viewedOrders)); err != nil || ctx.Err() != nil {
			return all, err
		}
		took := time.Since(began).Seconds()
		cores[i] = (d.client.usage(ctx, d.pid()).CPU - before.CPU).Seconds() / took
		told = w.told.Load() - told
		r.ViewersToldPerSecond = number(float64(told) / took)
	}
	if gone := w.gone.Load(); gone > 0 {
		return all, fmt.Errorf("the shop refused %d of %d viewers", gone, d.Viewers)
	}
	if cores[0] > 0 {
		r.Viewers, r.ViewersCores = d.Viewers, number(max(0, cores[1]-cores[0]))
	}
	return all, nil
}

// viewers are shoppers who only watch: each has a connection, and counts what they are told.
type viewers struct {
	told, gone atomic.Int64
	leaving    atomic.Bool

	mu    sync.Mutex
	lines []net.Conn
	wait  sync.WaitGroup
}

// come opens a line for each of n viewers. It returns the first error.
func (w *viewers) come(ctx context.Context, target *load.Target, path string, n int) error {
	request := []byte("GET " + path + " HTTP/1.1\r\nHost: " + target.Host() + "\r\nAccept: text/event-stream\r\n\r\n")
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	turns := make(chan struct{}, viewersDialled)
	var coming sync.WaitGroup
	for range n {
		turns <- struct{}{}
		coming.Go(func() {
			defer func() { <-turns }()
			line, err := target.Dial(ctx)
			if err == nil {
				_, err = line.Write(request)
			}
			if err != nil {
				cancel(fmt.Errorf("connect a viewer: %w", err))
				return
			}
			w.mu.Lock()
			w.lines = append(w.lines, line)
			w.mu.Unlock()
			w.wait.Go(func() { w.watch(line) })
		})
	}
	coming.Wait()
	return context.Cause(ctx)
}

// watch counts the messages of one viewer until the line ends.
func (w *viewers) watch(line net.Conn) {
	var b [2048]byte
	for {
		n, err := line.Read(b[:])
		w.told.Add(int64(bytes.Count(b[:n], []byte("data: {"))))
		if errors.Is(err, io.EOF) && !w.leaving.Load() || bytes.HasPrefix(b[:n], []byte("HTTP/1.1 204")) {
			w.gone.Add(1)
		}
		if err != nil {
			return
		}
	}
}

// leave ends every line.
func (w *viewers) leave() {
	w.leaving.Store(true)
	for _, line := range w.lines {
		_ = line.Close() // nothing is left to be said
	}
	w.wait.Wait()
}
