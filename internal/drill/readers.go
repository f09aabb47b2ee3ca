package drill

import (
	"strconv"
	"sync/atomic"
	"time"

	"github.com/tidegate/tidegate/internal/drill/load"
)

// pages is the script of those who only look: the same few requests over and over, at a rate or as fast as they go.
type pages struct {
	*recorder
	requests [][]byte
	// want is the status that counts as an answer.
	want int
	// every is the time between two requests; zero is closed load.
	every   time.Duration
	until   time.Duration
	stopped atomic.Bool
	next    int
}

// getRequests are GETs of the paths with further header lines, alternately.
func getRequests(host, lines string, paths ...string) [][]byte {
	requests := make([][]byte, len(paths))
	for i, path := range paths {
		requests[i] = []byte("GET " + path + " HTTP/1.1\r\nHost: " + host + "\r\n" + lines + "\r\n")
	}
	return requests
}

// postRequests is a POST of the size of an order, to a server that does nothing with it.
func postRequests(host string) [][]byte {
	const body = `{"lines":[{"sku_id":"249452473612238849","quantity":1}]}`
	token := make([]byte, 212) // as long as a shopper's
	for i := range token {
		token[i] = 'x'
	}
	return [][]byte{[]byte("POST / HTTP/1.1\r\nHost: " + host + "\r\nContent-Type: application/json\r\nAuthorization: Bearer " + string(token) +
		"\r\nIdempotency-Key: drill-123456\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body)}
}

// Next implements load.Script.
func (s *pages) Next(now time.Duration) (load.Ticket, time.Duration, bool) {
	if s.Done(now) {
		return 0, -1, false
	}
	due := now
	if s.every > 0 {
		if due = time.Duration(s.next) * s.every; due > now {
			return 0, due, false
		}
	}
	t := load.Ticket(s.next % len(s.requests))
	s.next++
	s.counts.sent.Add(1)
	return t, due, true
}

// Done implements load.Script.
func (s *pages) Done(now time.Duration) bool {
	return s.stopped.Load() || s.until > 0 && now >= s.until
}

// Encode implements load.Script.
func (s *pages) Encode(b []byte, t load.Ticket) []byte { return append(b, s.requests[t]...) }

// Answer implements load.Script.
func (s *pages) Answer(_ load.Ticket, a load.Answer, now, took time.Duration) {
	switch {
	case a.Status == s.want:
		s.counts.reads.Add(1)
	case a.Status >= 500:
		s.counts.fives.Add(1)
	default:
		s.counts.other.Add(1)
	}
	s.note(now, took)
}

// Lost implements load.Script.
func (s *pages) Lost(load.Ticket, time.Duration, error) { s.counts.lost.Add(1) }
