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
// It is a table of sets of four, each slot replaced atomically: the token's hash chooses the set, and the token's own
// bytes decide whether a slot is its. A full set gives up one of its four. The hash is seeded at random in each process,
// so nobody can aim tokens at one set, and only tokens that we signed get in at all.
//
// A token gets in when it comes the second time: on the night of a drop most come once, and what is kept of them would
// only be thrown away. noted has the hash of the last token that came the first time, for each part of the hashes.
type remembered struct {
	seed  maphash.Seed
	mask  uint64
	slots []atomic.Pointer[rememberedToken]
	noted []atomic.Uint64
}

type rememberedToken struct {
	hash  uint64
	token string
	verified
}

const rememberedWays = 4

// newRemembered returns a table of at least tokensMax slots.
func newRemembered(tokensMax int) *remembered {
	sets := 1 << bits.Len(uint(max(tokensMax, rememberedWays)-1)/rememberedWays)
	return &remembered{
		seed:  maphash.MakeSeed(),
		mask:  uint64(sets - 1),
		slots: make([]atomic.Pointer[rememberedToken], sets*rememberedWays),
		noted: make([]atomic.Uint64, sets*rememberedWays),
	}
}

func (r *remembered) set(hash uint64) []atomic.Pointer[rememberedToken] {
	first := (hash & r.mask) * rememberedWays
	return r.slots[first : first+rememberedWays]
}

// get returns what the token vouches for, or nil, and the token's hash for put. The caller checks its expiry.
func (r *remembered) get(token string) (*verified, uint64) {
	hash := maphash.String(r.seed, token)
	set := r.set(hash)
	for i := range set {
		if slot := set[i].Load(); slot != nil && slot.hash == hash && slot.token == token {
			return &slot.verified, hash
		}
	}
	return nil, hash
}

// put remembers a token that was verified and has come before. The token's bytes are copied: a lane may hand in a string
// over a buffer that it uses again for the next request.
func (r *remembered) put(token string, hash uint64, v verified, now time.Time) {
	if r.noted[hash>>32&uint64(len(r.noted)-1)].Swap(hash) != hash {
		return
	}
	set := r.set(hash)
	victim := &set[rand.N(rememberedWays)] // not fixed by the hash: two busy tokens must not evict each other for ever
	for i := range set {
		if slot := set[i].Load(); slot == nil || !now.Before(slot.principal.Expires) {
			victim = &set[i]
			break
		}
	}
	victim.Store(&rememberedToken{hash: hash, token: strings.Clone(token), verified: v})
}
