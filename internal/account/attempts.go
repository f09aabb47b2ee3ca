package account

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"github.com/tidegate/tidegate/internal/admission/limit"
	"github.com/tidegate/tidegate/internal/kernel/fault"
)

// giveBackMax bounds returning an attempt, for which no caller waits.
const giveBackMax = time.Second

// attempts limits attempts of one kind for each caller: a burst, then one at a time. It is safe for concurrent use.
type attempts struct {
	counter limit.Counter
	kind    string // prefix that separates the kinds in the counter
	rate    limit.Rate
}

// take counts one attempt. If none is left, it counts nothing and returns a TooManyRequests fault. Otherwise it returns
// a function that gives the attempt back, for one that failed through no fault of the caller.
func (a *attempts) take(ctx context.Context, key string) (giveBack func(), err error) {
	wait, err := a.counter.Take(ctx, a.kind+key, a.rate)
	if err != nil {
		return nil, fault.Wrap(fault.Overloaded, err, "Attempts cannot be counted at the moment; try again.").After(time.Second)
	}
	if wait > 0 {
		return nil, fault.New(fault.TooManyRequests, "Too many attempts; wait before the next.").After(wait)
	}
	return func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), giveBackMax)
		defer cancel()
		_ = a.counter.GiveBack(ctx, a.kind+key, a.rate) // otherwise it returns with time
	}, nil
}

// forgive resets the attempts of a caller who succeeded.
func (a *attempts) forgive(ctx context.Context, key string) {
	_ = a.counter.Forgive(ctx, a.kind+key) // otherwise they expire with time
}

// clientKey returns the key of a client address.
func clientKey(client netip.Addr) string { return limit.ClientKey(client).String() }

// guesses limits password attempts. Attempts count against the caller: a client address is limited at one account and
// over all accounts; a device that has signed in to the account before has its own limit. Attempts by strangers lock
// nobody out: beyond a number, their password checks share one queue at the turnstile.
type guesses struct {
	byDevice, byPair, byClient, byAccount attempts
}

func newGuesses(c Config, counter func() limit.Counter) guesses {
	own := limit.Rate{Burst: c.AccountAttemptsMax, Every: c.AccountAttemptEvery}
	// Each kind has its own counter, so that a crowd of addresses cannot displace the counters of accounts.
	return guesses{
		byDevice:  attempts{counter(), "device:", own},
		byPair:    attempts{counter(), "account_client:", own},
		byClient:  attempts{counter(), "log_in:", limit.Rate{Burst: c.ClientAttemptsMax, Every: c.ClientAttemptEvery}},
		byAccount: attempts{counter(), "account:", own},
	}
}

// guess is one password attempt.
type guess struct {
	place   place // where its check waits
	uncount func()
	right   func()
}

// begin counts an attempt. It returns a TooManyRequests fault if none is left, whether or not the account exists.
// uncount takes the count back, for an attempt that was turned away by load or failed in the store: retries must not
// lock anyone out. right resets the earlier wrong attempts after a success.
func (s *Service) begin(ctx context.Context, email string, client netip.Addr, device string) (guess, error) {
	g := &s.guesses
	if s.knownDevice(email, device) {
		giveBack, err := g.byDevice.take(ctx, email)
		if err == nil {
			return guess{place{email, true}, giveBack, func() {}}, nil // a correct attempt counts too: it costs a hash
		}
		if !errors.Is(err, fault.TooManyRequests) {
			return guess{}, err
		}
		// The devices of this account have used up their attempts: treat this one like an unknown device.
	}
	from := clientKey(client)
	pair := email + " " + from
	clientBack, err := g.byClient.take(ctx, from)
	if err != nil {
		return guess{}, err
	}
	pairBack, err := g.byPair.take(ctx, pair)
	if err != nil {
		clientBack() // no password was checked: attempts at one account must not lock an office out of all accounts
		return guess{}, err
	}
	name, accountBack := from, func() {}
	if back, err := g.byAccount.take(ctx, email); err == nil {
		accountBack = back
	} else if errors.Is(err, fault.TooManyRequests) {
		name = email // all who try this account share one queue
	} else {
		clientBack()
		pairBack()
		return guess{}, err
	}
	return guess{
		place{name: name},
		func() { clientBack(); pairBack(); accountBack() },
		func() { g.byPair.forgive(ctx, pair); accountBack() },
	}, nil
}
