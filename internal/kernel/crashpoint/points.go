// Package crashpoint names the points at which a test can kill, hang or fail the shop: before and after each step of an
// order, a payment, an expiry, a refund, a rebuild. A release build contains none of it: without the build tag
// crashpoints Pass and Fail are empty, and neither the names nor the variable are in the binary.
//
// A build with the tag reads the environment variable CRASHPOINT once: "point action n", such as
// "store.orders.commit.after die 3". When the point is passed the n-th time, the process dies (SIGKILL, no deferred
// function runs), hangs (that goroutine, for ever), or fails (Fail returns an error, once). A process with an invalid
// variable does not start.
package crashpoint

// Variable is the environment variable that arms a point.
const Variable = "CRASHPOINT"

// Point is a point in the code.
type Point string

// The points, in the order in which their work passes them. A point that may fail is where an error can be returned.
const (
	// An order.
	ReserveBefore      Point = "order.reserve.before" // priced, nothing taken
	ReserveAfter       Point = "order.reserve.after"  // the gate has taken the units
	AppendBefore       Point = "order.append.before"  // about to join the committer's queue
	AppendAfter        Point = "order.append.after"
	CommitBefore       Point = "order.commit.before" // a batch was taken out of the queue; may fail
	CommitAfter        Point = "order.commit.after"  // on disk, but only the database knows; may fail: an unknown outcome
	ConfirmBefore      Point = "order.confirm.before"
	ConfirmAfter       Point = "order.confirm.after"      // the gate knows, the waiting shoppers do not
	AcknowledgeBefore  Point = "order.acknowledge.before" // an outcome is about to be reported
	AcknowledgeAfter   Point = "order.acknowledge.after"
	OrdersBeginBefore  Point = "store.orders.begin.before"  // the writer's transactions of orders; may fail
	OrdersBeginAfter   Point = "store.orders.begin.after"   // may fail
	OrdersCommitBefore Point = "store.orders.commit.before" // may fail
	OrdersCommitAfter  Point = "store.orders.commit.after"

	// The writer's transactions of everything else.
	JobsBeginBefore  Point = "store.jobs.begin.before"  // may fail
	JobsBeginAfter   Point = "store.jobs.begin.after"   // may fail
	JobsCommitBefore Point = "store.jobs.commit.before" // may fail
	JobsCommitAfter  Point = "store.jobs.commit.after"
	CheckpointBefore Point = "store.checkpoint.before" // may fail
	CheckpointAfter  Point = "store.checkpoint.after"

	// A payment.
	AttemptBefore      Point = "payment.attempt.before"      // may fail
	AttemptAfter       Point = "payment.attempt.after"       // recorded, the provider does not know it; may fail
	ProviderBefore     Point = "payment.provider.before"     // any call to the provider; may fail
	ProviderAfter      Point = "payment.provider.after"      // it has answered, the answer is not recorded; may fail
	NotificationBefore Point = "payment.notification.before" // may fail
	NotificationAfter  Point = "payment.notification.after"  // recorded, not acknowledged; may fail
	SettleBefore       Point = "payment.settle.before"       // may fail
	SettleAfter        Point = "payment.settle.after"

	// Expiry, cancellation and refunds: a release.
	ExpireBefore Point = "payment.expire.before" // may fail
	ExpireAfter  Point = "payment.expire.after"
	CancelBefore Point = "payment.cancel.before" // may fail
	CancelAfter  Point = "payment.cancel.after"
	RefundBefore Point = "payment.refund.before" // the provider has confirmed, the row is not updated; may fail
	RefundAfter  Point = "payment.refund.after"

	// The gate: the events it follows, and its rebuild.
	FollowBefore  Point = "gate.follow.before"  // may fail
	FollowAfter   Point = "gate.follow.after"   // applied, the position not recorded; may fail
	RebuildBefore Point = "gate.rebuild.before" // may fail
	RebuildLoaded Point = "gate.rebuild.loaded" // the snapshot is read, the gate not loaded; may fail
	RebuildAfter  Point = "gate.rebuild.after"

	// A sale's clock.
	SaleBefore Point = "sale.move.before" // may fail
	SaleAfter  Point = "sale.move.after"

	// An event, from its row to its consumers.
	StampBefore     Point = "store.stamp.before" // MySQL: rows wait for their positions; may fail
	StampAfter      Point = "store.stamp.after"
	RelayBefore     Point = "bus.relay.before"       // read from the outbox, nothing sent to the broker; may fail
	RelayAfter      Point = "bus.relay.after"        // the broker has it, the relay's cursor has not moved; may fail
	DeliverBefore   Point = "bus.deliver.before"     // a consumer group has a batch; may fail
	DeliverAfter    Point = "bus.deliver.after"      // applied, neither acknowledged nor passed by the cursor; may fail
	DeliverRecorded Point = "bus.acknowledge.before" // the result is known, dead letters are stored; may fail
	DeliverSettled  Point = "bus.acknowledge.after"

	// The queue intake.
	QueueAppendBefore      Point = "queue.append.before" // reserved, nothing sent to the broker
	QueueAppendAfter       Point = "queue.append.after"  // the broker has it, the waiting shoppers do not know
	QueueReceiveAfter      Point = "queue.receive.after" // a worker has it, the database has not
	QueueAcknowledgeBefore Point = "queue.acknowledge.before"

	// A gate in Redis.
	SharedBegun         Point = "shared.rebuild.begun"  // the database has the next epoch, Redis has nothing of it; may fail
	SharedFilled        Point = "shared.rebuild.filled" // Redis has it, the database does not mark it ready; may fail
	SharedOpened        Point = "shared.rebuild.opened"
	SharedCloseBefore   Point = "shared.close.before" // Redis is unreachable, and the epoch is about to be closed for all; may fail
	SharedCloseAfter    Point = "shared.close.after"
	SharedConfirmBefore Point = "shared.confirm.before" // orders were read that are still reservations in Redis; may fail
	SharedConfirmAfter  Point = "shared.confirm.after"  // Redis has them as orders, its position is not stored; may fail
	SharedReleaseBefore Point = "shared.release.before" // refused, and about to be released
	SharedReleaseAfter  Point = "shared.release.after"
	SharedSweepBefore   Point = "shared.sweep.before" // expired and without an order; may fail
	SharedSweepAfter    Point = "shared.sweep.after"
)

// Points lists every point. Which of them a shop passes depends on its engines: see QueuePoints, for example.
func Points() []Point {
	return []Point{
		ReserveBefore, ReserveAfter, AppendBefore, AppendAfter, CommitBefore, CommitAfter, ConfirmBefore, ConfirmAfter,
		AcknowledgeBefore, AcknowledgeAfter, OrdersBeginBefore, OrdersBeginAfter, OrdersCommitBefore, OrdersCommitAfter,
		JobsBeginBefore, JobsBeginAfter, JobsCommitBefore, JobsCommitAfter, CheckpointBefore, CheckpointAfter,
		AttemptBefore, AttemptAfter, ProviderBefore, ProviderAfter, NotificationBefore, NotificationAfter, SettleBefore, SettleAfter,
		ExpireBefore, ExpireAfter, CancelBefore, CancelAfter, RefundBefore, RefundAfter,
		FollowBefore, FollowAfter, RebuildBefore, RebuildLoaded, RebuildAfter, SaleBefore, SaleAfter,
		StampBefore, StampAfter, RelayBefore, RelayAfter, DeliverBefore, DeliverAfter, DeliverRecorded, DeliverSettled,
		QueueAppendBefore, QueueAppendAfter, QueueReceiveAfter, QueueAcknowledgeBefore,
		SharedBegun, SharedFilled, SharedOpened, SharedCloseBefore, SharedCloseAfter, SharedConfirmBefore, SharedConfirmAfter, SharedReleaseBefore, SharedReleaseAfter,
		SharedSweepBefore, SharedSweepAfter,
	}
}

// QueuePoints lists the points of the queue intake, which a shop without a broker does not pass.
func QueuePoints() []Point {
	return []Point{QueueAppendBefore, QueueAppendAfter, QueueReceiveAfter, QueueAcknowledgeBefore}
}

// MayFail lists the points that can also fail, because the code returns an error there.
func MayFail() []Point {
	return []Point{
		CommitBefore, CommitAfter, OrdersBeginBefore, OrdersBeginAfter, OrdersCommitBefore,
		JobsBeginBefore, JobsBeginAfter, JobsCommitBefore, CheckpointBefore,
		AttemptBefore, AttemptAfter, ProviderBefore, ProviderAfter, NotificationBefore, NotificationAfter, SettleBefore,
		ExpireBefore, CancelBefore, RefundBefore, FollowBefore, FollowAfter, RebuildBefore, RebuildLoaded, SaleBefore,
		StampBefore, RelayBefore, RelayAfter, DeliverBefore, DeliverAfter, DeliverRecorded,
		SharedBegun, SharedFilled, SharedCloseBefore, SharedConfirmBefore, SharedConfirmAfter, SharedSweepBefore,
	}
}
