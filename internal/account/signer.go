package account

import (
	"crypto/hmac"
	"crypto/sha256"
	"hash"
	"sync"
)

// Signer signs short texts for one purpose with the shop's keys. A signature for one purpose is invalid for any other.
// It is safe for concurrent use.
type Signer struct {
	purpose []byte
	macs    []sync.Pool
}

// NewSigner returns a signer for a purpose, such as "ticket". The ring's first key signs, all verify.
func NewSigner(ring Keyring, purpose string) *Signer {
	return &Signer{purpose: append([]byte("tidegate "+purpose), 0), macs: macsOf(ring)}
}

// Sign returns the HMAC-SHA256 of the text.
func (s *Signer) Sign(text []byte) [32]byte { return s.sum(0, text) }

// Signed reports whether one of the keys has signed the text. The signature may be truncated to 16 bytes or more.
func (s *Signer) Signed(text, signature []byte) bool {
	if len(signature) < sha256.Size/2 || len(signature) > sha256.Size {
		return false
	}
	for i := range s.macs {
		sum := s.sum(i, text)
		if hmac.Equal(sum[:len(signature)], signature) {
			return true
		}
	}
	return false
}

func (s *Signer) sum(key int, text []byte) (sum [32]byte) {
	mac := s.macs[key].Get().(hash.Hash)
	mac.Reset()
	mac.Write(s.purpose)
	mac.Write(text)
	mac.Sum(sum[:0])
	s.macs[key].Put(mac)
	return sum
}
