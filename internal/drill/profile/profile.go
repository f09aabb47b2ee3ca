// Package profile describes the sale night that a drill rehearses: who comes, when, for what, and how they behave.
package profile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	"go.yaml.in/yaml/v3"
)

// LoadProfile is the description. It is read from a YAML file, from flags, or is the default.
type LoadProfile struct {
	// Title names the rehearsal in the shop; empty lets the shop name it. It must be free.
	Title string `yaml:"title"`
	// Shoppers is how many come.
	Shoppers int `yaml:"shoppers"`
	// SKUs is how many different things are sold, Units how many there are of each.
	SKUs  int `yaml:"skus"`
	Units int `yaml:"units"`
	// Limit is how many units one shopper may have; 0 is no limit.
	Limit int `yaml:"limit"`
	// UnitsPerOrder is how many one order asks for.
	UnitsPerOrder int `yaml:"units_per_order"`
	// PriceMinor is what one costs, in minor units of the shop's currency.
	PriceMinor int64 `yaml:"price_minor"`
	// PaymentTime is how long the shop holds an order unpaid.
	PaymentTime time.Duration `yaml:"payment_time"`

	// Load says what drives the requests: Open or Closed.
	Load string `yaml:"load"`
	// Arrivals says when shoppers come, in open load.
	Arrivals Arrivals `yaml:"arrivals"`
	// Connections is how many the shoppers share.
	Connections int `yaml:"connections"`
	// Duration ends the night before everybody has come; 0 waits for all.
	Duration time.Duration `yaml:"duration"`

	// Retry is the share of those with an order who send the same request again, as if the answer had been lost.
	Retry float64 `yaml:"retry"`
	// OtherBody is the share of those with an order who send its key with another body.
	OtherBody float64 `yaml:"other_body"`
	// Greedy is the share of those with an order who want more than the limit allows.
	Greedy float64 `yaml:"greedy"`
	// Pay is the share of orders that are paid, PayAfter how long after; Abandon is the share that is left to expire. The
	// rest is cancelled.
	Pay      float64       `yaml:"pay"`
	PayAfter time.Duration `yaml:"pay_after"`
	Abandon  float64       `yaml:"abandon"`

	// Readers read product pages while the buyers buy.
	Readers Readers `yaml:"readers"`
	// Seed makes the dice of one night repeatable.
	Seed uint64 `yaml:"seed"`
}

// Readers are those who only look.
type Readers struct {
	Connections int `yaml:"connections"`
	PerSecond   int `yaml:"per_second"`
}

// The kinds of load.
const (
	// Open load comes by the clock, however the shop is doing; latency counts from the moment a request was due.
	Open = "open"
	// Closed load is a number of connections that each send the next request when they have the last answer.
	Closed = "closed"
)

// Limits of a night. The generator remembers some 400 bytes for a shopper, most of it the token.
const (
	ShoppersMax    = 1_000_000
	SKUsMax        = 2000
	UnitsMax       = 10_000_000
	ConnectionsMax = 60_000 // a client has one port for each
	DurationMax    = 24 * time.Hour
)

// Default returns the night that is rehearsed where nothing is said: a drop that is over within seconds.
func Default() LoadProfile {
	return LoadProfile{
		Shoppers:      20_000,
		SKUs:          5,
		Units:         1000,
		Limit:         2,
		UnitsPerOrder: 1,
		PriceMinor:    2500,
		PaymentTime:   10 * time.Minute,
		Load:          Open,
		Arrivals:      Arrivals{Shape: Spike, Over: 8 * time.Second, Steps: 4},
		Connections:   256,
		Retry:         0.10,
		OtherBody:     0.02,
		Greedy:        0.20,
		Pay:           0.60,
		PayAfter:      time.Second,
		Abandon:       0.30,
		Readers:       Readers{Connections: 32, PerSecond: 1000},
		Seed:          1,
	}
}

// Read lays a YAML file over n. It returns an error that names the line for what is not YAML, and for a field that there
// is not.
func (n *LoadProfile) Read(text []byte) error {
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(n); err != nil && !errors.Is(err, io.EOF) {
		var wrong *yaml.TypeError
		if errors.As(err, &wrong) {
			return errors.New(wrong.Errors[0])
		}
		return err
	}
	if err := d.Decode(&yaml.Node{}); !errors.Is(err, io.EOF) {
		return errors.New("it has more than one YAML document")
	}
	return nil
}

// Validate returns the first thing that is wrong, named as in the file.
func (n *LoadProfile) Validate() error {
	type whole struct {
		name          string
		is, low, high int64
	}
	for _, w := range []whole{
		{"shoppers", int64(n.Shoppers), 1, ShoppersMax},
		{"skus", int64(n.SKUs), 1, SKUsMax},
		{"units", int64(n.Units), 1, UnitsMax},
		{"limit", int64(n.Limit), 0, 1_000_000},
		{"units_per_order", int64(n.UnitsPerOrder), 1, 1000},
		{"price_minor", n.PriceMinor, 1, 1_000_000_000},
		{"connections", int64(n.Connections), 1, ConnectionsMax},
		{"readers.connections", int64(n.Readers.Connections), 0, ConnectionsMax},
		{"readers.per_second", int64(n.Readers.PerSecond), 0, 1_000_000},
	} {
		if w.is < w.low || w.is > w.high {
			return fmt.Errorf("%s: %d to %d, not %d", w.name, w.low, w.high, w.is)
		}
	}
	type share struct {
		name string
		is   float64
	}
	for _, s := range []share{
		{"retry", n.Retry}, {"other_body", n.OtherBody}, {"greedy", n.Greedy}, {"pay", n.Pay}, {"abandon", n.Abandon}, {"pay and abandon together", n.Pay + n.Abandon},
	} {
		if !(s.is >= 0 && s.is <= 1.000001) {
			return fmt.Errorf("%s: a share from 0 to 1, not %g", s.name, s.is)
		}
	}
	type wait struct {
		name      string
		is        time.Duration
		low, high time.Duration
	}
	for _, w := range []wait{
		{"payment_time", n.PaymentTime, 10 * time.Second, 7 * 24 * time.Hour},
		{"pay_after", n.PayAfter, 0, DurationMax},
		{"duration", n.Duration, 0, DurationMax},
	} {
		if w.is < w.low || w.is > w.high {
			return fmt.Errorf("%s: %s to %s, not %s", w.name, w.low, w.high, w.is)
		}
	}
	switch {
	case len(n.Title) > 200:
		return fmt.Errorf("title: at most 200 bytes")
	case n.Load != Open && n.Load != Closed:
		return fmt.Errorf("load: %s or %s, not %q", Open, Closed, n.Load)
	case n.Limit > 0 && n.UnitsPerOrder > n.Limit:
		return fmt.Errorf("units_per_order: at most the limit of %d, not %d", n.Limit, n.UnitsPerOrder)
	case (n.Readers.Connections == 0) != (n.Readers.PerSecond == 0):
		return errors.New("readers: connections and per_second, or neither")
	}
	return n.Arrivals.validate()
}
