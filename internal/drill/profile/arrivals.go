package profile

import (
	"compress/gzip"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Arrivals says when the shoppers come.
type Arrivals struct {
	Shape string `yaml:"shape"`
	// Over is from the first to the last.
	Over time.Duration `yaml:"over"`
	// Steps is how many levels the shape Steps has.
	Steps int `yaml:"steps"`
	// PerSecond, of the shape Constant, takes the place of Over.
	PerSecond int `yaml:"per_second"`
	// File is a CSV file with a column of times, which may be compressed with gzip; its shape is followed. Column names the
	// column; empty takes the first that holds times. Compress is the factor by which its time is compressed; 0 fits it
	// into Over.
	File     string  `yaml:"file"`
	Column   string  `yaml:"column"`
	Compress float64 `yaml:"compress"`
}

// The shapes.
const (
	// Spike: everybody waits for the door to open; half have come after an eighth of the time.
	Spike = "spike"
	// Ramp: from nobody to the most, evenly growing.
	Ramp = "ramp"
	// Steps: as Ramp, in levels.
	Steps = "steps"
	// Constant: evenly.
	Constant = "constant"
	// CSV: as in a file.
	CSV = "csv"
)

func (a *Arrivals) validate() error {
	if !slices.Contains([]string{Spike, Ramp, Steps, Constant, CSV}, a.Shape) {
		return fmt.Errorf("arrivals.shape: %s, %s, %s, %s or %s, not %q", Spike, Ramp, Steps, Constant, CSV, a.Shape)
	}
	switch {
	case a.Over < 0 || a.Over > DurationMax:
		return fmt.Errorf("arrivals.over: 0s to %s, not %s", DurationMax, a.Over)
	case a.Steps < 1 || a.Steps > 1000:
		return fmt.Errorf("arrivals.steps: 1 to 1000, not %d", a.Steps)
	case a.PerSecond < 0 || a.PerSecond > 10_000_000:
		return fmt.Errorf("arrivals.per_second: 0 to 10000000, not %d", a.PerSecond)
	case a.PerSecond > 0 && a.Shape != Constant:
		return fmt.Errorf("arrivals.per_second: only for the shape %s", Constant)
	case (a.Shape == CSV) != (a.File != ""):
		return fmt.Errorf("arrivals.file: for the shape %s, and only for it", CSV)
	case a.Shape != CSV && (a.Column != "" || a.Compress != 0):
		return fmt.Errorf("arrivals.column and arrivals.compress: only for the shape %s", CSV)
	case !(a.Compress >= 0 && a.Compress <= 1e12):
		return fmt.Errorf("arrivals.compress: a factor from 1 to 1e12, or 0, not %g", a.Compress)
	}
	return nil
}

// Times returns when each of n shoppers comes, sorted. The times are quantiles of the shape and not drawn: two nights of
// one description put the same load on the shop. It returns an error where the file cannot be read.
func (a *Arrivals) Times(n int) ([]time.Duration, error) {
	over := a.Over
	quantile := func(u float64) float64 { return u }
	switch a.Shape {
	case Spike:
		// The exponential distribution, cut where 1 in 256 is left: its half is at an eighth of the time.
		const tail = 1.0 / 256
		quantile = func(u float64) float64 { return math.Log(1-u*(1-tail)) / math.Log(tail) }
	case Ramp:
		quantile = math.Sqrt
	case Steps:
		quantile = a.stepped
	case Constant:
		if a.PerSecond > 0 {
			over = time.Duration(float64(n) / float64(a.PerSecond) * float64(time.Second))
		}
	case CSV:
		seen, err := a.file()
		if err != nil {
			return nil, fmt.Errorf("arrivals.file %s: %w", a.File, err)
		}
		span := seen[len(seen)-1]
		if a.Compress > 0 {
			over = time.Duration(float64(span) / a.Compress)
		}
		if over > DurationMax {
			return nil, fmt.Errorf("arrivals.compress: the %s of the file become %s; at most %s", span.Round(time.Minute), over.Round(time.Second), DurationMax)
		}
		quantile = func(u float64) float64 {
			if span == 0 {
				return 0
			}
			return float64(seen[int(u*float64(len(seen)))]) / float64(span)
		}
	}
	times := make([]time.Duration, n)
	for i := range times {
		times[i] = time.Duration(quantile((float64(i)+0.5)/float64(n)) * float64(over))
	}
	return times, nil
}

// stepped is the quantile of levels 1, 2, 3, ...: level k lasts as long as every other and brings k parts of the crowd.
func (a *Arrivals) stepped(u float64) float64 {
	parts := float64(a.Steps*(a.Steps+1)) / 2
	u *= parts
	for k := 1; k <= a.Steps; k++ {
		if u < float64(k) {
			return (float64(k-1) + u/float64(k)) / float64(a.Steps)
		}
		u -= float64(k)
	}
	return 1
}

// timesMax bounds what is read of a file: ten years of a busy shop.
const timesMax = 20_000_000

// file returns the times of the file since the first of them, sorted.
func (a *Arrivals) file() (_ []time.Duration, err error) {
	f, err := os.Open(a.File)
	if err != nil {
		return nil, errors.Unwrap(err) // without the path, which is named already
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	var in io.Reader = f
	if strings.HasSuffix(a.File, ".gz") {
		if in, err = gzip.NewReader(f); err != nil {
			return nil, err
		}
	}
	seconds, err := readTimes(in, a.Column)
	if err != nil {
		return nil, err
	}
	slices.Sort(seconds)
	times := make([]time.Duration, len(seconds))
	for i, s := range seconds {
		times[i] = time.Duration((s - seconds[0]) * float64(time.Second))
	}
	return times, nil
}

// readTimes returns the column's times in seconds. Rows without a time are passed over; a file with none is an error.
func readTimes(in io.Reader, column string) ([]float64, error) {
	r := csv.NewReader(in)
	r.ReuseRecord, r.FieldsPerRecord, r.LazyQuotes = true, -1, true
	at := -1
	var found []float64
	for line := 1; ; line++ {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		if line == 1 && column != "" {
			if at = slices.Index(row, column); at < 0 {
				return nil, fmt.Errorf("there is no column %q; there are %s", column, strings.Join(row, ", "))
			}
			continue
		}
		if at < 0 {
			at = slices.IndexFunc(row, func(text string) bool { _, ok := moment(text, false); return ok })
		}
		if at < 0 || at >= len(row) {
			continue
		}
		if s, ok := moment(row[at], column != ""); ok {
			if len(found) == timesMax {
				return nil, fmt.Errorf("it has more than %d times", timesMax)
			}
			found = append(found, s)
		}
	}
	if len(found) == 0 {
		return nil, errors.New("it has no times such as 2026-11-27 20:00:00")
	}
	return found, nil
}

var layouts = []string{time.RFC3339Nano, "2006-01-02 15:04:05", "2006-01-02T15:04:05", "2006-01-02 15:04", "1/2/2006 15:04", "2006-01-02"}

// moment reads a time in seconds since 1970. A bare number counts only where the column was named: most columns of numbers
// are no times.
func moment(text string, numbers bool) (float64, bool) {
	text = strings.TrimSpace(text)
	for _, l := range layouts {
		if t, err := time.Parse(l, text); err == nil {
			return float64(t.UnixNano()) / 1e9, true
		}
	}
	if numbers {
		if s, err := strconv.ParseFloat(text, 64); err == nil && !math.IsInf(s, 0) && !math.IsNaN(s) {
			return s, true
		}
	}
	return 0, false
}
