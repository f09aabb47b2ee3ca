package webhook

import (
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestGuard: an address outside the public internet is not dialled, in whatever form it comes.
func TestGuard(t *testing.T) {
	t.Parallel()
	open := addressGuard{}
	some := addressGuard{allowed: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("127.0.0.0/8")}}
	plain := addressGuard{allowed: some.allowed, plain: true}
	for address, want := range map[string][3]bool{ // without an allowed network, with two, with two over http
		"8.8.8.8:443":                     {true, true, false},
		"[2606:4700::1111]:443":           {true, true, false},
		"127.0.0.1:443":                   {false, true, true},
		"127.9.9.9:443":                   {false, true, true},
		"[::1]:443":                       {false, false, false},
		"[::ffff:127.0.0.1]:443":          {false, true, true},
		"[::ffff:10.2.0.1]:443":           {false, false, false},
		"10.1.2.3:443":                    {false, true, true},
		"10.2.2.3:443":                    {false, false, false},
		"172.16.0.1:443":                  {false, false, false},
		"172.32.0.1:443":                  {true, true, false},
		"192.168.1.1:443":                 {false, false, false},
		"169.254.169.254:80":              {false, false, false},
		"100.100.100.200:80":              {false, false, false},
		"0.0.0.0:80":                      {false, false, false},
		"255.255.255.255:80":              {false, false, false},
		"224.0.0.1:80":                    {false, false, false},
		"[fe80::1%eth0]:80":               {false, false, false},
		"[fd00:ec2::254]:80":              {false, false, false},
		"[ff02::1]:80":                    {false, false, false},
		"[::]:80":                         {false, false, false},
		"[64:ff9b::a9fe:a9fe]:80":         {false, false, false}, // NAT64 of 169.254.169.254
		"[64:ff9b::8.8.8.8]:443":          {true, true, false},
		"[2002:7f00:1::]:80":              {false, false, false}, // 6to4 of 127.0.0.1
		"[2002:808:808::]:443":            {true, true, false},
		"[2001:db8::1]:443":               {false, false, false},
		"[::127.0.0.1]:80":                {false, false, false}, // IPv4-compatible
		"[::8.8.8.8]:80":                  {false, false, false},
		"[::ffff:0:127.0.0.1]:80":         {false, false, false}, // IPv4-translated
		"[::ffff:8.8.8.8]:443":            {true, true, false},
		"[64:ff9b:1::7f00:1]:80":          {false, false, false}, // NAT64 of a site
		"[64:ff9b::a00:1]:80":             {false, false, false},
		"[2001::7f00:1]:80":               {false, false, false}, // Teredo
		"[2001:0:4136:e378::1]:80":        {false, false, false},
		"[2001:20::1]:80":                 {false, false, false}, // ORCHID
		"[2607:f8b0::5efe:7f00:1]:80":     {false, false, false}, // ISATAP of 127.0.0.1
		"[2607:f8b0::200:5efe:a00:1]:80":  {false, false, false},
		"[2607:f8b0::5efe:808:808]:443":   {true, true, false},
		"[100::1]:80":                     {false, false, false}, // discard
		"[5f00::1]:80":                    {false, false, false}, // segment routing
		"[4000::1]:80":                    {false, false, false}, // unassigned
		"[fc00::1]:80":                    {false, false, false},
		"[fec0::1]:80":                    {false, false, false},
		"[fe80::1]:80":                    {false, false, false},
		"[::1%lo]:80":                     {false, false, false},
		"[2607:f8b0::1%eth0]:443":         {true, true, false},
		"[3fff::1]:80":                    {false, false, false},
		"192.0.0.192:80":                  {false, false, false},
		"192.0.2.1:80":                    {false, false, false},
		"198.18.0.1:80":                   {false, false, false},
		"198.19.255.255:80":               {false, false, false},
		"203.0.113.9:80":                  {false, false, false},
		"240.0.0.1:80":                    {false, false, false},
		"239.255.255.250:80":              {false, false, false},
		"100.64.0.1:80":                   {false, false, false},
		"100.128.0.1:443":                 {true, true, false},
		"168.63.129.16:80":                {false, false, false},
		"0.1.2.3:80":                      {false, false, false},
		"nonsense":                        {false, false, false},
		"metadata.google.internal.com:80": {false, false, false},
	} {
		for i, g := range []addressGuard{open, some, plain} {
			if err := g.control("tcp", address, nil); (err == nil) != want[i] {
				t.Errorf("guard %d, %s: %v", i, address, err)
			}
		}
	}
}

// TestHosts: no spelling of this machine's address in a URL leads to it.
func TestHosts(t *testing.T) {
	t.Parallel()
	var came atomic.Int64
	here := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { came.Add(1) }))
	t.Cleanup(here.Close)
	_, port, err := net.SplitHostPort(here.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	open := &http.Client{Transport: newTransport(addressGuard{}, time.Second, &tls.Config{InsecureSkipVerify: true}), CheckRedirect: noRedirect}
	for _, host := range []string{
		"127.0.0.1", "127.1", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "017700000001", "127.0.0.1.", "localhost", "localhost.", "LOCALHOST",
		"[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]", "[::1%25lo]", "[64:ff9b::127.0.0.1]", "0", "0.0.0.0", "[::]", "①②⑦.⓪.⓪.①",
	} {
		answer, err := open.Get("https://" + net.JoinHostPort(strings.Trim(host, "[]"), port) + "/")
		if err == nil {
			_ = answer.Body.Close()
			t.Errorf("%s is answered", host)
		}
	}
	if n := came.Load(); n > 0 {
		t.Errorf("%d requests came", n)
	}
}

// TestTurns: failing and slow endpoints take at most half of the workers, and the endpoint that waited longest is next.
func TestTurns(t *testing.T) {
	t.Parallel()
	s := NewService(Parts{Config: DefaultConfig()})
	now := Endpoint{}.CreatedAt.AddDate(2026, 0, 0)
	due := []Endpoint{{ID: 1, FailingSince: now}, {ID: 2, FailingSince: now}, {ID: 3, FailingSince: now}, {ID: 4}, {ID: 5}}
	var served []Endpoint
	for {
		e, ok := s.turns.take(due, 4)
		if !ok {
			break
		}
		served = append(served, e)
	}
	if len(served) != 4 || served[0].ID != 1 || served[1].ID != 2 || served[2].ID != 4 || served[3].ID != 5 {
		t.Fatalf("served %+v", served)
	}
	s.turns.release(4, false)
	s.turns.release(1, true)
	if e, _ := s.turns.take(due, 4); e.ID != 3 {
		t.Errorf("the third one that fails has waited longest, and endpoint %s was served", e.ID)
	}
}
