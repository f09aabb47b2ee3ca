// Package machine is what a drill asks of the machine it runs on: file descriptors, what processes use, and how fast a server
// can answer here at all.
package machine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// ServeBare runs the ceiling: a bare net/http server that reads the body of a POST and answers it with a small JSON body.
// No shop on net/http can be faster. It tells its base address on out, in one line, and serves until ctx ends.
func ServeBare(ctx context.Context, out io.Writer) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(out, "http://"+l.Addr().String()); err != nil {
		return errors.Join(err, l.Close())
	}
	answer := []byte(`{"id":"249452474862141440","status":"pending"}`)
	s := &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusCreated)
		_, _ = w.Write(answer)
	})}
	failed := make(chan error, 1)
	go func() { failed <- s.Serve(l) }()
	select {
	case <-ctx.Done():
		return s.Close()
	case err := <-failed:
		return err
	}
}
