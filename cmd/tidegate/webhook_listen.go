package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/spf13/cobra"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/tidegate/tidegate/api"
	"github.com/tidegate/tidegate/internal/adminclient"
	"github.com/tidegate/tidegate/internal/kernel/text"
)

// pathSegment is a text as one segment of a path.
func pathSegment(text string) string { return url.PathEscape(text) }

func newWebhookListen(t *tool) *cobra.Command {
	var types []string
	var address string
	var count int
	cmd := &cobra.Command{
		Use:   "listen",
		Short: "Receive events here, check their signatures, and print them",
		Long: `Listens on this machine, registers itself with the shop, checks each delivery with the published library of Standard
Webhooks, and prints it: a line each, the payload as JSON. It takes its registration back when it ends.

A shop that was started with --demo tells this machine; another needs webhooks.allow_networks=127.0.0.0/8.`,
		Example: `  tidegate webhook listen
  tidegate webhook listen --type order.paid.v1 --count 1`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if count < 0 {
				return usageError{fmt.Errorf("--count is how many deliveries to wait for, from 1, or 0 for no end, not %d", count)}
			}
			return t.onShop(cmd, func(shop *adminclient.Client) error {
				if !shop.Running {
					return errors.New("no process serves the shop, so nobody would tell anything: start tidegate serve first")
				}
				return listen(cmd.Context(), cmd.OutOrStdout(), t.stderr, shop, address, types, count)
			})
		},
	}
	cmd.Flags().StringSliceVar(&types, "type", []string{"*"}, "an event to receive, such as order.paid.v1; may be given more than once; * is all of them")
	cmd.Flags().StringVar(&address, "address", "127.0.0.1:0", "where to listen; port 0 takes a free one")
	cmd.Flags().IntVar(&count, "count", 0, "end after so many deliveries; 0 goes on until it is interrupted")
	return cmd
}

// receiver prints what is delivered. Safe for concurrent use.
type receiver struct {
	mu    sync.Mutex
	out   io.Writer
	check *standardwebhooks.Webhook
	got   int
	want  int
	done  chan struct{}
}

// deliveryBytesMax bounds one delivery.
const deliveryBytesMax = 1 << 20

// ServeHTTP implements http.Handler.
func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, request.Body, deliveryBytesMax))
	if err == nil {
		err = r.check.Verify(body, request.Header)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		fmt.Fprintf(r.out, "refused %s: %v\n", text.Visible(request.Header.Get("webhook-id")), err)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if r.want > 0 && r.got == r.want {
		w.WriteHeader(http.StatusServiceUnavailable) // it has seen enough
		return
	}
	fmt.Fprintf(r.out, "%s %s\n", text.Visible(request.Header.Get("webhook-id")), text.Visible(string(body)))
	w.WriteHeader(http.StatusNoContent)
	if r.got++; r.got == r.want {
		close(r.done)
	}
}

// leavePatience bounds how long the end of the command waits for the shop.
const leavePatience = 5 * time.Second

func listen(ctx context.Context, out, errs io.Writer, shop *adminclient.Client, address string, types []string, count int) (err error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("nothing can listen on %s: %w", address, err)
	}
	defer func() { _ = l.Close() }()
	created, err := createWebhook(ctx, shop, api.WebhookInput{Url: "http://" + l.Addr().String() + "/", Description: "tidegate webhook listen", EventTypes: types})
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leavePatience)
		defer cancel()
		err = errors.Join(err, deleteWebhook(ctx, shop, created.Id.String()))
	}()
	check, err := standardwebhooks.NewWebhook(created.Secret)
	if err != nil {
		return err
	}
	fmt.Fprintf(errs, "listening on %s as endpoint %s\n", l.Addr(), created.Id)
	r := &receiver{out: out, check: check, want: count, done: make(chan struct{})}
	server := &http.Server{Handler: r, ReadHeaderTimeout: leavePatience}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(l) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	case <-r.done:
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), leavePatience)
	defer cancel()
	return server.Shutdown(grace)
}
