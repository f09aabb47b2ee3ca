package notify_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/account"
	"github.com/tidegate/tidegate/internal/kernel/clock"
	"github.com/tidegate/tidegate/internal/kernel/event"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/notify"
	"github.com/tidegate/tidegate/internal/shoptest"
)

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// post is a Sender that keeps the mails.
type post struct {
	mu   sync.Mutex
	sent []notify.Mail
	err  error
}

func (p *post) Send(_ context.Context, m *notify.Mail) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sent = append(p.sent, *m)
	return p.err
}

const ada id.Customer = 1001

func newService(t *testing.T, s notify.Sender) (*notify.Service, *clock.Manual) {
	t.Helper()
	shop := shoptest.Open(t)
	check(t, shop.Store.InsertCustomer(t.Context(), account.Customer{ID: ada, Email: "ada@example.com", CreatedAt: shop.Clock.Now()}, "x"))
	config := notify.DefaultConfig()
	config.From = "Shop <orders@käse.example>"
	return notify.NewService(notify.Parts{Store: shop.Store, Sender: s, Config: config, Clock: shop.Clock, Log: slog.New(slog.DiscardHandler)}), shop.Clock
}

func told(position int64, kind string, c id.Customer) event.Event {
	return event.Event{Position: position, Type: kind, Subject: 77, At: time.Unix(1_800_000_000, 0), Payload: fmt.Appendf(nil,
		`{"id":"77","customer_id":"%d","lines":[{"sku_id":"5","quantity":2,"total":{"minor":2500,"currency":"GBP"}}],"total":{"minor":2500,"currency":"GBP"},"expires_at":"2026-11-27T20:00:00Z"}`, c)}
}

// TestNotifications: each event is notified once, however often it comes, with fitting words. A shopper without an
// account is nobody.
func TestNotifications(t *testing.T) {
	t.Parallel()
	p := &post{}
	s, _ := newService(t, p)
	var all []event.Event
	for i, kind := range notify.Types() {
		all = append(all, told(int64(10+i), kind, ada))
	}
	all = append(all, told(20, "order.paid.v1", 999))
	for range 3 {
		check(t, s.Apply(t.Context(), all))
		for {
			n, err := s.SendStep(t.Context())
			check(t, err)
			if n == 0 {
				break
			}
		}
	}
	if len(p.sent) != 4 {
		t.Fatalf("%d mails were sent, want 4", len(p.sent))
	}
	subjects := map[string]string{}
	for _, m := range p.sent {
		subjects[m.ID] = m.Subject
		if m.To.Address != "ada@example.com" || m.From.Address != "orders@xn--kse-qla.example" || !strings.Contains(m.Text, "25.00 GBP") || !strings.Contains(m.HTML, "25.00 GBP") {
			t.Errorf("%+v", m)
		}
	}
	for name, want := range map[string]string{
		"10.77@xn--kse-qla.example": "We have your order 77", "11.77@xn--kse-qla.example": "Your order 77 is paid",
		"12.77@xn--kse-qla.example": "Your order 77 has ended", "13.77@xn--kse-qla.example": "Your money for the order 77 is on its way back",
	} {
		if subjects[name] != want {
			t.Errorf("%s: %q, want %q", name, subjects[name], want)
		}
	}
}

// TestRetries: every try of about a day has the same Message-ID, and a permanent refusal ends the tries.
func TestRetries(t *testing.T) {
	t.Parallel()
	p := &post{err: errors.New("the mail server is away")}
	s, now := newService(t, p)
	check(t, s.Apply(t.Context(), []event.Event{told(10, "order.paid.v1", ada)}))
	began := now.Now()
	for range 200 {
		_, err := s.SendStep(t.Context())
		check(t, err)
		now.Advance(10 * time.Minute)
	}
	if len(p.sent) < 8 || len(p.sent) > 12 {
		t.Errorf("%d tries in %s", len(p.sent), now.Now().Sub(began))
	}
	for _, m := range p.sent {
		if m.ID != p.sent[0].ID {
			t.Errorf("the Message-ID was %s, and then %s", p.sent[0].ID, m.ID)
		}
	}
	if last := p.sent[len(p.sent)-1].At.Sub(began); last < 20*time.Hour || last > 30*time.Hour {
		t.Errorf("the last try was after %s", last)
	}
	p.sent, p.err = nil, &notify.PermanentError{Err: errors.New("no such user")}
	check(t, s.Apply(t.Context(), []event.Event{told(11, "order.paid.v1", ada)}))
	for range 5 {
		_, err := s.SendStep(t.Context())
		check(t, err)
		now.Advance(time.Hour)
	}
	if len(p.sent) != 1 {
		t.Errorf("what was refused for good was tried %d times", len(p.sent))
	}
}

func TestFile(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "mail")
	s, _ := newService(t, notify.FileSender{Folder: folder})
	check(t, s.Apply(t.Context(), []event.Event{told(10, "order.placed.v1", ada)}))
	_, err := s.SendStep(t.Context())
	check(t, err)
	text, err := os.ReadFile(filepath.Join(folder, "10.77@xn--kse-qla.example.eml"))
	check(t, err)
	plain, rich := readMail(t, string(text))
	if !strings.Contains(plain, "2 x Item 5: 25.00 GBP") || !strings.Contains(plain, "20:00 on 27 November 2026 (UTC)") || !strings.Contains(rich, "<h1") {
		t.Errorf("%s\n%s", plain, rich)
	}
}

// readMail parses a mail like a mail program.
func readMail(t *testing.T, text string) (plain, rich string) {
	t.Helper()
	m, err := mail.ReadMessage(strings.NewReader(text))
	check(t, err)
	if m.Header.Get("Message-Id") == "" || m.Header.Get("Auto-Submitted") != "auto-generated" {
		t.Errorf("headers %v", m.Header)
	}
	_, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	check(t, err)
	parts := multipart.NewReader(m.Body, params["boundary"])
	for _, into := range []*string{&plain, &rich} {
		part, err := parts.NextRawPart()
		check(t, err)
		b, err := io.ReadAll(quotedprintable.NewReader(part))
		check(t, err)
		*into = string(b)
	}
	return plain, rich
}

// TestSMTP uses the test's own mail server.
func TestSMTP(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, tls, refuse string
		taken, forGood    bool
	}{
		{"taken", "none", "", true, false},
		{"no such user", "none", "RCPT", false, true},
		{"too much of it", "none", "DATA", false, true},
		{"no STARTTLS", "starttls", "", false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l, err := net.Listen("tcp", "127.0.0.1:0")
			check(t, err)
			defer func() { _ = l.Close() }()
			got := make(chan string, 1)
			go serveMail(l, c.refuse, got)
			m := &notify.Mail{ID: "1.2@shop.example", From: mail.Address{Address: "a@shop.example"}, To: mail.Address{Address: "b@example.com"}, Subject: "Grüße", Text: "hello\n.\n", HTML: "<p>hello", At: time.Unix(0, 0)}
			err = notify.SMTPSender{Config: notify.SMTP{Address: l.Addr().String(), TLS: c.tls}}.Send(t.Context(), m)
			if (err == nil) != c.taken || errors.As(err, new(*notify.PermanentError)) != c.forGood {
				t.Fatalf("%v", err)
			}
			if !c.taken {
				return
			}
			plain, _ := readMail(t, <-got)
			if strings.ReplaceAll(plain, "\r", "") != "hello\n.\n" {
				t.Errorf("%q", plain)
			}
		})
	}
	if err := (notify.SMTPSender{Config: notify.SMTP{Address: "127.0.0.1:1", TLS: "none"}}).Send(t.Context(), &notify.Mail{ID: "x"}); err == nil || errors.As(err, new(*notify.PermanentError)) {
		t.Errorf("a server that is away: %v", err)
	}
}

// serveMail serves one connection as a mail server that permanently refuses one command.
func serveMail(l net.Listener, refuse string, got chan<- string) {
	conn, err := l.Accept()
	if err != nil {
		return
	}
	defer func() { _ = conn.Close() }()
	say := func(text string) { _, _ = io.WriteString(conn, text+"\r\n") }
	say("220 test")
	in := bufio.NewReader(conn)
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		command := strings.ToUpper(strings.TrimSpace(line))[:4]
		switch {
		case refuse != "" && command == refuse:
			say("550 no")
		case command == "EHLO":
			say("250-test\r\n250 8BITMIME")
		case command == "DATA":
			say("354 go on")
			var text strings.Builder
			for {
				line, err := in.ReadString('\n')
				if err != nil || line == ".\r\n" {
					break
				}
				text.WriteString(strings.TrimPrefix(line, "."))
			}
			got <- text.String()
			say("250 taken")
		case command == "QUIT":
			say("221 bye")
			return
		default:
			say("250 yes")
		}
	}
}
