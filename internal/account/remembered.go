package account

import (
	"hash/maphash"
	"math/bits"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"time"
)

// verified is what a token's signature vouches for.
type verified struct {
	principal Principal
	issued    time.Time // to the second
}

// remembered keeps verified tokens, so that a shopper's signature is computed once and not at every request. It is
// bounded and safe for concurrent use; a look-up takes no lock and allocates nothing.
//
// It is a table of sets of eight, each slot replaced atomically: the token's hash chooses the set, and the token's own
// bytes decide whether a slot is its. A full set gives up one of its eight. The hash is seeded at random in each process,
// so nobody can aim tokens at one set, and only tokens that we signed get in at all.
//
// A token gets in when it comes the second time: on the night of a drop most come once, and what is kept of them would
// only be thrown away. noted has the hashes of those that came the first time, in sets of eight as well, from which a hash is
// taken out when it comes again: with one place for each part of the hashes, two shoppers of the same part who come in turns
// put each other out for ever, and of 20,000 who come again and again 9,400 stayed unknown.
type remembered struct {
	seed  maphash.Seed
	mask  uint64
	sets  []rememberedSet
	noted []notedSet
}

const rememberedWays = 8

// notedSet is one line of a processor's cache. Zero is a free place.
type notedSet [rememberedWays]atomic.Uint64

// rememberedSet has its hashes in one line of a processor's cache, so that a look-up goes to memory for them and for the token
// alone. A hash may be that of the token before or after the one in its slot: it only says where to look.
type rememberedSet struct {
	hashes [rememberedWays]atomic.Uint64
	slots  [rememberedWays]atomic.Pointer[rememberedToken]
}

type rememberedToken struct {
	token string
	verified
}

// newRemembered returns a table of at least tokensMax slots.
func newRemembered(tokensMax int) *remembered {
	sets := 1 << bits.Len(uint(max(tokensMax, rememberedWays)-1)/rememberedWays)
	return &remembered{
		seed:  maphash.MakeSeed(),
		mask:  uint64(sets - 1),
		sets:  make([]rememberedSet, sets),
		noted: make([]notedSet, sets),
	}
}

// get returns what the token vouches for, or nil, and the token's hash for put. The caller checks its expiry.
func (r *remembered) get(token string) (*verified, uint64) {
	hash := maphash.String(r.seed, token)
	set := &r.sets[hash&r.mask]
	for i := range set.hashes {
		if set.hashes[i].Load() != hash {
			continue
		}
		if slot := set.slots[i].Load(); slot != nil && slot.token == token {
			return &slot.verified, hash
		}
	}
	return nil, hash
}

// put remembers a token that was verified and has come before. The token's bytes are copied: a lane may hand in a string
// over a buffer that it uses again for the next request.
func (r *remembered) put(token string, hash uint64, v verified, now time.Time) {
	if !r.noted[hash>>32&r.mask].again(hash) {
		return
	}
	set := &r.sets[hash&r.mask]
	victim := rand.N(rememberedWays) // not fixed by the hash: two busy tokens must not evict each other for ever
	for i := range set.slots {
		if slot := set.slots[i].Load(); slot == nil || !now.Before(slot.principal.Expires) {
			victim = i
			break
		}
	}
	set.slots[victim].Store(&rememberedToken{token: strings.Clone(token), verified: v})
	set.hashes[victim].Store(hash)
}

// again reports whether the hash was noted, and takes it out; where it was not, it is noted.
func (n *notedSet) again(hash uint64) bool {
	place := rand.N(rememberedWays)
	for i := range n {
		switch n[i].Load() {
		case hash:
			n[i].CompareAndSwap(hash, 0)
			return true
		case 0:
			place = i
		}
	}
	n[place].Store(hash)
	return false
}
