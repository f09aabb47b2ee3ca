package eventbus

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidegate/tidegate/api/events"
	"github.com/tidegate/tidegate/internal/bus"
)

// published is a bus that remembers what was published, by topic.
type published struct {
	bus.Bus
	topics map[string][]int64
}

func (p *published) Publish(_ context.Context, topic string, batch []bus.Message) error {
	for _, m := range batch {
		p.topics[topic] = append(p.topics[topic], m.ID)
	}
	return nil
}

// TestTheRelayKeepsRehearsalsApart: over a broker, who follows the shop's events is told of no rehearsal; those go to a topic of their
// own, and nowhere where no group of the shop takes them.
func TestTheRelayKeepsRehearsalsApart(t *testing.T) {
	t.Parallel()
	marked := bytes.Replace(events.Sample("order.paid.v1"), []byte("{"), []byte(`{"rehearsal":true,`), 1)
	for _, one := range []struct {
		consumers []Consumer
		want      map[string][]int64
	}{
		{[]Consumer{{Rehearsals: LeavesOut}, {Rehearsals: OnRequest}}, map[string][]int64{bus.Events: {1, 3}, bus.Rehearsals: {2}}},
		{[]Consumer{{Rehearsals: LeavesOut}}, map[string][]int64{bus.Events: {1, 3}}},
	} {
		p := &published{topics: map[string][]int64{}}
		e := &Events{Parts: Parts{Consumers: one.consumers}, bus: p}
		var batch []bus.Delivery
		for i, payload := range [][]byte{events.Sample("order.paid.v1"), marked, events.Sample("refund.requested.v1")} {
			batch = append(batch, bus.Delivery{Message: bus.Message{ID: int64(i + 1), Payload: payload}})
		}
		if err := e.relayBatch(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(one.want, p.topics); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	}
}

func TestAConsumerMustSayWhatItDoesWithRehearsals(t *testing.T) {
	t.Parallel()
	if _, err := Open(t.Context(), Parts{Consumers: []Consumer{{Group: bus.Group{Name: "new"}}}}); err == nil || !strings.Contains(err.Error(), "rehearsals") {
		t.Errorf("a consumer that does not say it is taken: %v", err)
	}
}
