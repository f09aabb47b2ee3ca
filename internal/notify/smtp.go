package notify

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/smtp"
	"net/textproto"
	"time"
)

// SMTPSender is a Sender over SMTP (RFC 5321), with one connection for each mail.
type SMTPSender struct {
	Config SMTP
	// Trust, if set, replaces the check of the server's certificate, for tests.
	Trust *tls.Config
}

// Send implements Sender. If the server answers 5xx, to the recipient or the content, the error is a *PermanentError.
func (s SMTPSender) Send(ctx context.Context, m *Mail) (err error) {
	text, err := m.Bytes()
	if err != nil {
		return &PermanentError{err}
	}
	c, err := s.connect(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	if err := c.Mail(m.From.Address); err != nil {
		return err // the server rejects the sender: that can be corrected
	}
	if err := c.Rcpt(m.To.Address); err != nil {
		return permanent(err)
	}
	w, err := c.Data()
	if err != nil {
		return permanent(err)
	}
	if _, err := w.Write(text); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return permanent(err)
	}
	_ = c.Quit() // the mail has been accepted
	return nil
}

// connect opens a connection, encrypted and authenticated as configured.
func (s SMTPSender) connect(ctx context.Context) (*smtp.Client, error) {
	host, _, err := net.SplitHostPort(s.Config.Address)
	if err != nil {
		return nil, err
	}
	trust := &tls.Config{MinVersion: tls.VersionTLS12}
	if s.Trust != nil {
		trust = s.Trust.Clone()
	}
	trust.ServerName = host
	var conn net.Conn
	if s.Config.TLS == "tls" {
		conn, err = (&tls.Dialer{Config: trust}).DialContext(ctx, "tcp", s.Config.Address)
	} else {
		conn, err = (&net.Dialer{}).DialContext(ctx, "tcp", s.Config.Address)
	}
	if err != nil {
		return nil, fmt.Errorf("the mail server cannot be reached: %w", err)
	}
	if until, ok := ctx.Deadline(); ok {
		err = conn.SetDeadline(until)
	} else {
		err = conn.SetDeadline(time.Now().Add(sendTimeout))
	}
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	c, err := smtp.NewClient(conn, host)
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	if err := s.greet(c, host, trust); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

func (s SMTPSender) greet(c *smtp.Client, host string, trust *tls.Config) error {
	if s.Config.TLS == "starttls" {
		if ok, _ := c.Extension("STARTTLS"); !ok {
			return errors.New("the mail server does not offer STARTTLS; set notify.smtp.tls to tls or none")
		}
		if err := c.StartTLS(trust); err != nil {
			return err
		}
	}
	if s.Config.User == "" {
		return nil
	}
	return c.Auth(smtp.PlainAuth("", s.Config.User, s.Config.Password, host)) // which refuses without TLS, except on this machine
}

// permanent distinguishes a permanent refusal from a temporary one.
func permanent(err error) error {
	var said *textproto.Error
	if errors.As(err, &said) && said.Code >= 500 {
		return &PermanentError{err}
	}
	return err
}
