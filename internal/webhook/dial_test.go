package webhook

import (
	"net/netip"
	"testing"
)

// TestGuard: what is not the public internet is not dialled, in whatever form the address comes.
func TestGuard(t *testing.T) {
	t.Parallel()
	open := guard{}
	some := guard{allowed: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("127.0.0.0/8")}}
	plain := guard{allowed: some.allowed, plain: true}
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
		"nonsense":                        {false, false, false},
		"metadata.google.internal.com:80": {false, false, false},
	} {
		for i, g := range []guard{open, some, plain} {
			if err := g.control("tcp", address, nil); (err == nil) != want[i] {
				t.Errorf("guard %d, %s: %v", i, address, err)
			}
		}
	}
}

// TestTurns: those that fail or are slow take half of the workers at most, and the one that waited longest is next.
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
	s.turns.leave(4, false)
	s.turns.leave(1, true)
	if e, _ := s.turns.take(due, 4); e.ID != 3 {
		t.Errorf("the third one that fails has waited longest, and endpoint %s was served", e.ID)
	}
}
