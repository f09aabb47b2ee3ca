package notify

import (
	"context"
	"os"
	"path/filepath"
)

// FileSender is a Sender that writes each mail to a file in a folder, for trying out the shop. A mail that is sent
// again replaces its file.
type FileSender struct{ Folder string }

// Send implements Sender.
func (f FileSender) Send(_ context.Context, m *Mail) error {
	text, err := m.Bytes()
	if err != nil {
		return &PermanentError{err}
	}
	if err := os.MkdirAll(f.Folder, 0o700); err != nil {
		return err
	}
	whole := filepath.Join(f.Folder, m.ID+".eml")
	if err := os.WriteFile(whole+".part", text, 0o600); err != nil {
		return err
	}
	return os.Rename(whole+".part", whole)
}
