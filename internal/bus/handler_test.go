package bus

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestVerdicts checks the verdicts on a batch, one letter each: a applied, r again, h held, d dead. A single n is a
// batch that comes again uncounted.
func TestVerdicts(t *testing.T) {
	t.Parallel()
	bad := errors.New("bad")
	// In a batch the letters are keys, and an upper-case message fails.
	refuse := func(err error) Handler {
		return func(_ context.Context, batch []Delivery) error {
			for _, d := range batch {
				if d.Type == "bad" {
					return err
				}
			}
			return nil
		}
	}
	each := func(err error) Handler {
		return Each(func(_ context.Context, d Delivery) error {
			if d.Type == "bad" {
				return err
			}
			return nil
		})
	}
	panicking := func(_ context.Context, batch []Delivery) error {
		if err := refuse(bad)(context.Background(), batch); err != nil {
			panic(err)
		}
		return nil
	}
	cases := []struct {
		name    string
		handle  Handler
		batch   string
		try     int
		want    string
		because string
	}{
		{"all applied", refuse(bad), "abcabc", 1, "aaaaaa", ""},
		{"one fails and holds its key", refuse(bad), "abAabcab", 1, "aarhaaha", "bad"},
		{"the same with Each", each(bad), "abAabcab", 1, "aarhaaha", "bad"},
		{"a panic is a failure", panicking, "abAabcab", 1, "aarhaaha", "panic: bad"},
		{"the last try", refuse(bad), "abAabcab", 3, "aadaaaaa", "bad"},
		{"the last try with Each", each(bad), "abAabcab", 3, "aadhaaha", "bad"},
		{"poison", refuse(Permanent(bad)), "Aaa", 1, "daa", "bad"},
		{"two poisons of one key", refuse(Permanent(bad)), "AaAb", 1, "dada", "bad"},
		{"no key holds nothing", refuse(bad), "._.", 1, "ara", "bad"},
		{"all fail", refuse(bad), "ABC", 1, "rrr", "bad"},
		{"not now", refuse(RetryLater(bad)), "aAa", 1, "n", "bad"},
		{"not now with Each, at the first", each(RetryLater(bad)), "Aa", 1, "n", "bad"},
		{"not now with Each, later", each(RetryLater(bad)), "aAab", 1, "ahha", ""},
		{"wrapped", refuse(fmt.Errorf("while applying: %w", Permanent(bad))), "A", 1, "d", "while applying: bad"},
	}
	group := Group{TriesMax: 3}.WithDefaults()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			verdicts, err := group.Deliver(t.Context(), c.handle, deliveries(c.batch, c.try))
			got, because := "n", ""
			if err != nil {
				because = err.Error()
			} else {
				got = ""
				for _, v := range verdicts {
					got += string("arhd"[v.Outcome])
					because += v.Reason
				}
			}
			if got != c.want || !strings.Contains(because, c.because) {
				t.Errorf("%s: %s (%s), want %s (%s)", c.batch, got, because, c.want, c.because)
			}
		})
	}
}

// deliveries makes a batch. A letter is a key, and an upper-case one fails. A dot and an underscore have no key, and
// the underscore fails.
func deliveries(letters string, try int) []Delivery {
	var batch []Delivery
	for i, l := range letters {
		d := Delivery{Message: Message{ID: int64(i + 1), Key: strings.ToLower(string(l)), Type: "good"}, Try: try}
		if l == '_' || l >= 'A' && l <= 'Z' {
			d.Type = "bad"
		}
		if l == '.' || l == '_' {
			d.Key = ""
		}
		batch = append(batch, d)
	}
	return batch
}

func TestDelay(t *testing.T) {
	t.Parallel()
	g := Group{FirstDelay: time.Second, LongestDelay: 5 * time.Second}
	for try, want := range map[int]time.Duration{1: time.Second, 2: 2 * time.Second, 3: 4 * time.Second, 4: 5 * time.Second, 400: 5 * time.Second} {
		if got := g.Delay(try); got != want {
			t.Errorf("after try %d: %s, want %s", try, got, want)
		}
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	good, err := CheckTopics([]Topic{{Name: Events, Groups: []Group{{Name: "webhook"}}}})
	if err != nil || good[0].Groups[0].TriesMax == 0 {
		t.Errorf("%+v, %v", good, err)
	}
	for _, bad := range []Topic{{Name: ""}, {Name: "A"}, {Name: "a", Groups: []Group{{Name: "x y"}}}, {Name: "a", Groups: []Group{{Name: "x", BatchMax: 10, InFlightMax: 2}}}} {
		if _, err := CheckTopics([]Topic{bad}); err == nil {
			t.Errorf("%+v was taken", bad)
		}
	}
}
