package bus

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
)

// Handler applies a batch, in its order. Its result decides what happens to the messages:
//
//   - nil: all were applied;
//   - RetryLater: none was applied, and no message is the cause (the database is unavailable): the batch is delivered again
//     after a growing pause, and the try is not counted;
//   - PartialFailure: the messages it names failed, the others were applied;
//   - any other error, and a panic: none was applied. The batch is halved and tried again, until the failing message is alone.
//     Only then is its try counted.
//
// A failed message is tried again after a pause. It becomes a dead letter after Group.TriesMax tries, or immediately if
// the error is Permanent. Later messages of its key in the batch must not be applied before it: with PartialFailure
// they count as not applied, whatever the handler did. Each keeps that rule.
//
// The context ends after Group.HandleMax, and some time after the subscription was stopped.
type Handler func(ctx context.Context, batch []Delivery) error

// Each makes a batch handler from a handler of one message. A message that fails holds back the later ones of its key,
// but not other keys.
func Each(handle func(context.Context, Delivery) error) Handler {
	return func(ctx context.Context, batch []Delivery) error {
		failed := map[int]error{}
		held := map[string]bool{}
		for i, d := range batch {
			if held[d.Key] {
				continue
			}
			err := safely(func() error { return handle(ctx, d) })
			if err == nil {
				continue
			}
			if isRetryLater(err) && i == 0 {
				return err
			}
			failed[i] = err
			if d.Key != "" {
				held[d.Key] = true
			}
		}
		return PartialFailure(failed)
	}
}

// PartialFailure returns an error that names the failed messages by their index in the batch, with their errors; nil if
// none failed.
func PartialFailure(failed map[int]error) error {
	if len(failed) == 0 {
		return nil
	}
	return &partialFailure{failed}
}

type partialFailure struct{ failed map[int]error }

func (p *partialFailure) Error() string {
	return fmt.Sprintf("%d messages of the batch failed", len(p.failed))
}

// Permanent marks an error that a retry cannot change.
func Permanent(err error) error { return &permanent{err} }

type permanent struct{ error }

func (p *permanent) Unwrap() error { return p.error }

// RetryLater marks an error that the message did not cause.
func RetryLater(err error) error { return &retryLater{err} }

type retryLater struct{ error }

func (n *retryLater) Unwrap() error { return n.error }

func isRetryLater(err error) bool { return errors.As(err, new(*retryLater)) }

// Outcome is the result of a message.
type Outcome uint8

// The outcomes.
const (
	// Applied: acknowledge it.
	Applied Outcome = iota
	// Again: it failed. Deliver it again after Group.Delay of its try, with the next try's number.
	Again
	// Held: an earlier message of its key failed in this batch, so it was not tried. Deliver it after that one, with
	// the same try's number.
	Held
	// Dead: store it as a dead letter with its reason, then acknowledge it.
	Dead
)

// Verdict is the result of one message, with the reason if it was not applied.
type Verdict struct {
	Outcome Outcome
	Reason  string
}

// Deliver hands a batch to a handler and returns the verdict on each message. If it returns the error of RetryLater,
// settle nothing and deliver the whole batch again later. Engines call it; it does not panic.
func (g Group) Deliver(ctx context.Context, handle Handler, batch []Delivery) ([]Verdict, error) {
	r := round{group: g, handle: handle, batch: batch, verdicts: make([]Verdict, len(batch)), held: map[string]bool{}}
	tried := make([]int, len(batch))
	for i := range batch {
		tried[i] = i
	}
	if err := r.run(ctx, tried); err != nil {
		return nil, err
	}
	return r.verdicts, nil
}

// round is one delivery of a batch.
type round struct {
	group    Group
	handle   Handler
	batch    []Delivery
	verdicts []Verdict
	held     map[string]bool // keys with a message that will be tried again
	some     bool            // a part of the batch has been settled
}

// run delivers the messages at these indexes of the batch.
func (r *round) run(ctx context.Context, places []int) error {
	part := make([]Delivery, 0, len(places))
	at := make([]int, 0, len(places))
	for _, i := range places {
		if r.held[r.batch[i].Key] {
			r.verdicts[i] = Verdict{Outcome: Held}
			continue
		}
		part, at = append(part, r.batch[i]), append(at, i)
	}
	if len(part) == 0 {
		return nil
	}
	err := r.call(ctx, part)
	var some *partialFailure
	switch {
	case err == nil:
		r.some = true
		return nil
	case isRetryLater(err) && !r.some:
		return err
	case isRetryLater(err):
		for _, i := range at { // earlier parts stay settled; these messages come again, uncounted
			r.hold(i)
		}
		return nil
	case errors.As(err, &some):
		r.settle(at, some.failed)
		return nil
	case len(at) == 1:
		r.fail(at[0], err)
		return nil
	}
	half := len(at) / 2
	if err := r.run(ctx, at[:half]); err != nil {
		return err
	}
	return r.run(ctx, at[half:])
}

func (r *round) call(ctx context.Context, part []Delivery) error {
	ctx, cancel := context.WithTimeout(ctx, r.group.HandleMax)
	defer cancel()
	return safely(func() error { return r.handle(ctx, part) })
}

// settle sets the verdicts of a part in which messages failed. Later messages of a failed one's key count as not
// applied, even if that one is now given up.
func (r *round) settle(at []int, failed map[int]error) {
	r.some = true
	behind := map[string]bool{}
	for place, i := range at {
		err := failed[place]
		key := r.batch[i].Key
		if behind[key] {
			r.hold(i)
			continue
		}
		behind[key] = err != nil && key != ""
		switch {
		case err == nil:
		case isRetryLater(err):
			r.hold(i)
		default:
			r.fail(i, err)
		}
	}
}

// hold makes a message, and later ones of its key, come again without counting the try.
func (r *round) hold(i int) {
	r.verdicts[i] = Verdict{Outcome: Held}
	if key := r.batch[i].Key; key != "" {
		r.held[key] = true
	}
}

// fail counts a try of a message that failed alone.
func (r *round) fail(i int, err error) {
	r.some = true
	v := Verdict{Outcome: Again, Reason: Reason(err)}
	if errors.As(err, new(*permanent)) || r.batch[i].Try >= r.group.TriesMax {
		v.Outcome = Dead
	} else if key := r.batch[i].Key; key != "" {
		r.held[key] = true
	}
	r.verdicts[i] = v
}

// reasonBytesMax bounds a stored reason: enough for an error and the top of a stack.
const reasonBytesMax = 2000

// Reason returns the text of an error as it is stored, truncated.
func Reason(err error) string {
	s := err.Error()
	if len(s) > reasonBytesMax {
		s = s[:reasonBytesMax]
	}
	return s
}

// safely turns a panic into an error with its stack.
func safely(fn func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return fn()
}
