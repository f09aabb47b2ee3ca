package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/tidegate/tidegate/internal/app/eventbus"
	"github.com/tidegate/tidegate/internal/app/loop"
	"github.com/tidegate/tidegate/internal/bus"
	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/order"
	"github.com/tidegate/tidegate/internal/order/queue"
)

// intents is the group that settles what is queued. Its limits are in messages, each of which holds up to
// orders.batch_orders_max intents. A message of intents is never given up because the database is away for long: only one
// that cannot be read becomes a dead letter, at once.
var intents = bus.Group{Name: "orders", AnyOrder: true, BatchMax: 8, InFlightMax: 32, TriesMax: 2, HandleMax: 30 * time.Second}

// queueing is the queue intake of this process. Where there is no broker its parts are nil.
type queueing struct {
	log    bus.Bus
	intake *queue.Intake
	worker *queue.Worker
}

// newQueue opens the queue where the configuration names a broker. It is opened whatever orders.intake says: what an earlier
// process has queued is settled also by one that takes orders directly.
func (a *App) newQueue(ctx context.Context) error {
	if err := a.checkBroker(); err != nil || !a.hasQueue() {
		return err
	}
	var err error
	q, s := &a.queue, &a.shop
	if q.log, err = eventbus.OpenBroker(ctx, a.config.Bus, a.store, a.log, []bus.Topic{{Name: bus.Intents, Groups: []bus.Group{intents}}}); err != nil {
		return err
	}
	observer, err := a.metrics.Queue()
	if err != nil {
		return err
	}
	if err := a.metrics.ObserveCount("tidegate.queue.backlog.orders", "Queued orders of this process that are not decided.",
		func() int64 { return int64(q.intake.Backlog()) }); err != nil {
		return err
	}
	q.intake = queue.New(queue.Parts{
		Log: intentLog{q.log}, Committer: s.intake, Gate: s.gate, Store: a.store, Clock: a.clock, Mint: a.mint, Config: a.config.Orders,
		Observer: observer,
	})
	q.worker = queue.NewWorker(q.intake, s.saleCache)
	return nil
}

// orderIntake is what takes orders between their reservation and their commit.
func (a *App) orderIntake() order.Intake {
	if a.queue.intake == nil {
		return a.intake
	}
	return a.queue.intake
}

// underWay returns how many orders of this process are accepted and not decided.
func (a *App) underWay() int {
	if a.queue.intake == nil {
		return a.intake.Depth()
	}
	return a.queue.intake.Depth()
}

// intentLog implements queue.Log over a broker.
type intentLog struct{ bus bus.Bus }

// Append implements queue.Log.
func (l intentLog) Append(ctx context.Context, number int64, body []byte, at time.Time) error {
	err := l.bus.Publish(ctx, bus.Intents, []bus.Message{{ID: number, Type: queue.MessageType, Payload: body, At: at}})
	if errors.Is(err, bus.ErrUnavailable) {
		return fmt.Errorf("%w: %w", queue.ErrNotAppended, err)
	}
	return err
}

// reclaim has what a process that died had in hand delivered again, where its broker would wait for that process: others hear of its
// death by the connection.
func (l intentLog) reclaim(ctx context.Context) error {
	if b, waits := l.bus.(interface {
		Reclaim(ctx context.Context, topic, group string) error
	}); waits {
		return b.Reclaim(ctx, bus.Intents, intents.Name)
	}
	return nil
}

// Waiting implements queue.Log.
func (l intentLog) Waiting(ctx context.Context) (int64, error) {
	left, err := l.bus.Backlog(ctx, bus.Intents, intents.Name)
	return left.Messages, err
}

// settleIntents implements bus.Handler.
func (a *App) settleIntents(ctx context.Context, batch []bus.Delivery) error {
	messages := make([][]byte, len(batch))
	for i, d := range batch {
		messages[i] = d.Payload
	}
	switch err := a.queue.worker.Process(ctx, messages); {
	case err == nil:
		return nil
	case errors.Is(err, queue.ErrMalformed) && len(batch) == 1:
		return bus.Permanent(err)
	case errors.Is(err, queue.ErrMalformed):
		return err // the batch is cut, until the message stands alone
	default:
		return bus.RetryLater(err)
	}
}

// appendLoops is how many messages of intents may be on their way to the broker at once: while one is confirmed the next
// is gathered, and more would only make them smaller.
const appendLoops = 4

const (
	// appendEvery only matters where a wake was lost.
	appendEvery = time.Second
	// appendRetryMax keeps the wait short for shoppers whose append was not confirmed.
	appendRetryMax = 500 * time.Millisecond
	fatesEvery     = 100 * time.Millisecond
	switchEvery    = 20 * time.Millisecond
)

// appendingLoops drive the appends; they end with the group commit, after everything that was taken is kept.
func (a *App) appendingLoops() []loop.Loop {
	if a.queue.intake == nil {
		return nil
	}
	var all []loop.Loop
	for n := range appendLoops {
		all = append(all, loop.Loop{
			Name: fmt.Sprintf("append_%d", n+1), Every: appendEvery, Wake: a.queue.intake.Wake(), RetryMax: appendRetryMax, Step: a.queue.intake.AppendStep,
		})
	}
	return all
}

func (a *App) queueLoops() []loop.Loop {
	if a.queue.intake == nil {
		return nil
	}
	return []loop.Loop{
		{Name: "look_for_fates", Every: fatesEvery, Step: loop.OnceAndRest(a.queue.intake.PollStep)},
		{Name: "switch_intake", Every: switchEvery, Step: a.queue.intake.SwitchStep},
	}
}

// settling is the worker's subscription.
type settling struct {
	running sync.WaitGroup
	stop    context.CancelFunc
}

// startSettling subscribes the worker; without a broker it does nothing.
func (a *App) startSettling(ctx context.Context) *settling {
	s := &settling{}
	ctx, s.stop = context.WithCancel(context.WithoutCancel(ctx))
	if a.queue.intake != nil {
		s.running.Go(func() {
			if err := a.queue.log.Subscribe(ctx, bus.Intents, intents.Name, a.settleIntents); err != nil {
				a.log.ErrorContext(ctx, "queued orders are not settled", "error", err)
			}
		})
	}
	return s
}

// end stops the subscription when the batch under way is settled.
func (s *settling) end() {
	s.stop()
	s.running.Wait()
}

// loadSettled loads the shop while it settles what an earlier process has queued. A gate in memory is read from the database
// after the last of it: one that is rebuilt while intents wait would sell their units again. A gate in Redis asks for that
// itself, where it has to be rebuilt; otherwise other processes may queue meanwhile for as long as they like.
func (a *App) loadSettled(ctx context.Context) error {
	if a.queue.intake == nil {
		return a.load(ctx)
	}
	log := intentLog{a.queue.log}
	left, err := log.Waiting(ctx)
	if err != nil {
		return err
	}
	if left == 0 {
		return a.load(ctx)
	}
	a.log.InfoContext(ctx, "orders that were queued are settled first", "messages", left)
	if a.front == nil { // this process is alone, and its doors are shut until the last of them is settled
		if err := log.reclaim(ctx); err != nil {
			return err
		}
	}
	if err := a.saleCache.Load(ctx); err != nil { // whether a sale is still open
		return err
	}
	commits := a.newLoops()
	working, stop := context.WithCancel(context.WithoutCancel(ctx))
	commits.Start(working, a.commitLoop())
	settling := a.startSettling(ctx)
	defer func() {
		settling.end()
		stop()
		commits.Wait()
	}()
	for a.front == nil && left > 0 {
		if loop.Rest(ctx, fatesEvery, nil); ctx.Err() != nil {
			return ctx.Err()
		}
		if left, err = log.Waiting(ctx); err != nil {
			left = 1 // a broker that does not answer for a moment is asked again
		}
	}
	return a.load(ctx)
}

// keepQueued refuses further intents and waits until the log has those that were taken. What it has is settled by whoever
// comes next.
func (a *App) keepQueued(grace context.Context) {
	if a.queue.intake == nil {
		return
	}
	a.queue.intake.Close()
	for a.queue.intake.Unappended() > 0 && grace.Err() == nil {
		loop.Rest(grace, drainEvery, nil)
	}
}

// hasQueue reports whether orders may go through a queue: there is a broker.
func (a *App) hasQueue() bool { return a.config.Bus.Address != "" }

// quietQueue reports whether nothing is queued, by any process.
func (a *App) quietQueue(ctx context.Context) bool {
	if !a.hasQueue() {
		return true
	}
	left, err := intentLog{a.queue.log}.Waiting(ctx)
	return err == nil && left == 0
}

// refuseMax bounds the refusals of one transaction.
const refuseMax = 100

// refuseLost settles old reservations of queued orders that were still there when nothing was queued: their process died before
// it had appended the intents. Nothing is certain while this process has an intent that the broker has not confirmed, or a
// message of intents is a dead letter that may be replayed. A process that was paused beyond every patience may append one
// still: it meets its refusal.
func (a *App) refuseLost(ctx context.Context, lost []inventory.OrphanedReservation) ([]id.Order, error) {
	if a.queue.intake.Unappended() > 0 {
		return nil, nil
	}
	dead, err := a.store.DeadLetters(ctx, intents.Name, 0, 1)
	if err != nil || len(dead) > 0 {
		return nil, err
	}
	var refused []id.Order
	for page := range slices.Chunk(lost, refuseMax) {
		refusals := make([]order.Refusal, len(page))
		for i, l := range page {
			refusals[i] = order.Refusal{Order: l.Order, Sale: l.Sale, Customer: l.Customer, Code: fault.OrderClosed, At: a.clock.Now()}
		}
		some, err := a.store.Refuse(ctx, refusals)
		refused = append(refused, some...)
		if err != nil {
			return refused, err
		}
	}
	return refused, nil
}

// checkBroker refuses an intake that needs a broker where there is none.
func (a *App) checkBroker() error {
	if a.config.Bus.Address == "" && a.config.Orders.Intake != "direct" {
		return fmt.Errorf("orders.intake %s needs a broker to keep what is queued: set bus.address to one, or orders.intake to direct", a.config.Orders.Intake)
	}
	return nil
}
