// Package events_test holds every event that the shop announces to its schema and its golden sample in api/events.
package events_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/tidegate/tidegate/api/events"
	"github.com/tidegate/tidegate/internal/catalog"
	"github.com/tidegate/tidegate/internal/kernel/event"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/kernel/money"
	"github.com/tidegate/tidegate/internal/order"
	"github.com/tidegate/tidegate/internal/payment"
	"github.com/tidegate/tidegate/internal/sale"
	"github.com/tidegate/tidegate/internal/store"
	"github.com/tidegate/tidegate/internal/store/storetest"
)

var update = flag.Bool("update", false, "write the golden samples")

// announced makes every event there is, with the real code: the same events on every run.
func announced(t *testing.T) []event.Event {
	t.Helper()
	c := store.DefaultConfig()
	c.Path = filepath.Join(t.TempDir(), c.Path)
	s, err := store.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	if _, _, err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	tr := storetest.NewTrade(t, s)
	const shoe, hat id.SKU = 7240126464000002, 7240126464000003
	const ada id.Customer = 7240126464000004
	product := catalog.Product{ID: 7240126464000001, Handle: "blue-shoe", Title: "Blue shoe", Status: catalog.Published, Options: []string{"Size"}}
	for i, sku := range []id.SKU{7240126464000005, 7240126464000006} { // a product that is retired is in no sale
		product.Variants = append(product.Variants, catalog.Variant{ID: sku, Code: fmt.Sprint("SHOE-", i), Options: []string{fmt.Sprint(i)}, Price: money.Of(1250, "GBP")})
	}
	changes, err := s.PutProducts(t.Context(), catalog.Batch{Puts: []catalog.Put{{Product: product}}, Now: tr.Clock.Now(), NewID: tr.Mint.Next})
	if err != nil || changes[0].Err != nil {
		t.Fatal(err, changes[0].Err)
	}
	if _, err := s.RetireProduct(t.Context(), product.ID, 0, tr.Clock.Now()); err != nil {
		t.Fatal(err)
	}
	drop := tr.Sale(100, 20, shoe, hat)
	place := func(key string, in *sale.Sale) id.Order {
		d := tr.Order(in, ada, key, storetest.Line(shoe, 2), storetest.Line(hat, 1))
		tr.Commit(d)
		tr.Clock.Advance(time.Second)
		return d.Order.ID
	}
	refunded := place("a", drop)
	tr.Pay(refunded)
	tr.Clock.Advance(time.Minute)
	if _, err := s.FulfilOrder(t.Context(), refunded, tr.Clock.Now()); err != nil {
		t.Fatal(err)
	}
	tr.Clock.Advance(time.Minute)
	tr.Refund(refunded, true)
	cancelled := place("b", drop)
	tr.Report(tr.Begin(cancelled), payment.Declined)
	second := tr.Begin(cancelled)
	tr.Report(second, payment.Waiting)
	tr.Report(second, payment.Ended)
	tr.Cancel(cancelled)
	refused := place("c", drop)
	tr.Pay(refused)
	r, err := s.RequestRefund(t.Context(), payment.RefundRequest{
		Refund: id.New[id.Refund](tr.Mint), Order: refused, Reason: "test", Actor: "test", At: tr.Clock.Now(),
	})
	if err == nil {
		_, err = s.RecordRefund(t.Context(), r.ID, payment.RefundFailed, "no such account", tr.Clock.Now(), tr.Mint)
	}
	if err != nil {
		t.Fatal(err)
	}
	place("d", drop)
	tr.Expire()
	tr.Move(drop.ID, sale.Ended)
	told, err := s.Events(t.Context(), 0, 10_000)
	if err != nil {
		t.Fatal(err)
	}
	return told
}

// known lists the events that the code can announce.
func known() []string {
	all := []string{"stock.moved.v1", "sale.changed.v1", catalog.EventChanged}
	for _, st := range order.Statuses() {
		all = append(all, order.EventOf(st))
	}
	for _, st := range []payment.Status{payment.Open, payment.Succeeded, payment.Failed, payment.Closed} {
		all = append(all, payment.EventOf(st))
	}
	for _, st := range []payment.RefundStatus{payment.Requested, payment.Refunded, payment.RefundFailed} {
		all = append(all, payment.RefundEventOf(st))
	}
	slices.Sort(all)
	return all
}

// TestEvents makes every event with the real code and holds it to its schema; the first of each type is the golden sample.
func TestEvents(t *testing.T) {
	if diff := cmp.Diff(known(), events.Types()); diff != "" {
		t.Fatalf("the events of the code and the schemas in api/events differ (-code +schemas):\n%s", diff)
	}
	schemas := compile(t)
	seen := map[string]bool{}
	for _, e := range announced(t) {
		schema := schemas[e.Type]
		if schema == nil {
			t.Errorf("event %d: %s has no schema", e.Position, e.Type)
			continue
		}
		value, err := jsonschema.UnmarshalJSON(bytes.NewReader(e.Payload))
		if err == nil {
			err = schema.Validate(value)
		}
		if err != nil {
			t.Errorf("event %d, %s: %s\n%v", e.Position, e.Type, e.Payload, err)
		}
		if !seen[e.Type] {
			seen[e.Type] = true
			golden(t, e)
		}
	}
	for _, kind := range events.Types() {
		if !seen[kind] {
			t.Errorf("no test announces %s", kind)
		}
	}
}

func compile(t *testing.T) map[string]*jsonschema.Schema {
	t.Helper()
	compiled := map[string]*jsonschema.Schema{}
	for _, kind := range events.Types() {
		c := jsonschema.NewCompiler()
		text, err := jsonschema.UnmarshalJSON(bytes.NewReader(events.Schema(kind)))
		if err == nil {
			err = c.AddResource(kind, closed(text))
		}
		if err == nil {
			compiled[kind], err = c.Compile(kind)
		}
		if err != nil {
			t.Fatalf("the schema of %s: %v", kind, err)
		}
	}
	return compiled
}

// closed makes a schema refuse fields that it does not name. The published schemas are open, so that a consumer that
// validates by them goes on when an event gains a field; ours must name them all.
func closed(schema any) any {
	switch s := schema.(type) {
	case map[string]any:
		for name, value := range s {
			s[name] = closed(value)
		}
		if s["type"] == "object" {
			s["additionalProperties"] = false
		}
	case []any:
		for i, value := range s {
			s[i] = closed(value)
		}
	}
	return schema
}

// golden compares an event with its sample, byte by byte but for the white space that makes the sample readable.
func golden(t *testing.T, e event.Event) {
	t.Helper()
	var readable bytes.Buffer
	if err := json.Indent(&readable, e.Payload, "", "  "); err != nil {
		t.Errorf("%s: %v", e.Type, err)
		return
	}
	readable.WriteByte('\n')
	if *update {
		if err := os.WriteFile(filepath.Join("..", "..", "api", "events", e.Type+".json"), readable.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(string(events.Sample(e.Type)), readable.String()); diff != "" {
		t.Errorf("%s is not its sample any more: whoever follows it breaks. A field may be added (go test ./test/events -update); "+
			"anything else is a new version.\n%s", e.Type, diff)
	}
}

// TestASchemaRefuses: a schema that takes anything checks nothing.
func TestASchemaRefuses(t *testing.T) {
	t.Parallel()
	for kind, schema := range compile(t) {
		for _, bad := range []string{`{}`, `[]`, `null`} {
			value, err := jsonschema.UnmarshalJSON(bytes.NewReader([]byte(bad)))
			if err != nil {
				t.Fatal(err)
			}
			if schema.Validate(value) == nil {
				t.Errorf("%s takes %s", kind, bad)
			}
		}
		var sample map[string]any
		if err := json.Unmarshal(events.Sample(kind), &sample); err != nil {
			t.Errorf("the sample of %s: %v", kind, err)
			continue
		}
		for field := range sample {
			changed := map[string]any{}
			for name, value := range sample {
				changed[name] = value
			}
			changed[field] = map[string]any{"not": "this"}
			if schema.Validate(changed) == nil {
				t.Errorf("%s takes anything as %s", kind, field)
			}
		}
		sample["surprise"] = true
		if schema.Validate(sample) == nil {
			t.Errorf("%s takes a field that it does not name", kind)
		}
	}
}
