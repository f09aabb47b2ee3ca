package app

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/tidegate/tidegate/internal/app/settings"
	"github.com/tidegate/tidegate/internal/kernel/auditlog"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/setting"
)

// looked is what a process found at its last look at its configuration file.
type looked struct {
	at   time.Time // of the file's last change
	size int64
	text []byte
	gone bool
	done bool // the text was taken or refused
}

// followFile has the process go by its configuration file when that has changed. A text counts once two looks have found it, since an
// editor may be in the middle of writing. Live settings are changed as a whole, with an entry of the history and of the audit log; others
// wait for the next start. A file that is wrong changes nothing, and the log says why.
func (l *liveSettings) followFile(ctx context.Context) (int, error) {
	same, err := l.lookAtFile(ctx)
	if err != nil || !same || l.file.done {
		return 0, err
	}
	n, err := l.takeFile(ctx, l.file.text)
	l.file.done = err == nil
	return n, err
}

// lookAtFile reads the file, where it has changed. It reports whether the last look found the same.
func (l *liveSettings) lookAtFile(ctx context.Context) (same bool, err error) {
	found, err := os.Stat(l.from.File)
	if err == nil && !l.file.gone && found.ModTime().Equal(l.file.at) && found.Size() == l.file.size {
		return true, nil
	}
	if err == nil && !found.Mode().IsRegular() {
		return false, nil // a pipe is read once, at the start
	}
	var text []byte
	if err == nil {
		text, err = readConfig(l.from.File)
	}
	if err != nil {
		if !l.file.gone {
			l.app.log.WarnContext(ctx, "the configuration file cannot be read; the process goes on with the settings that it has", "file", l.from.File, "error", err.Error())
		}
		l.file = looked{gone: true}
		return false, nil
	}
	l.file = looked{at: found.ModTime(), size: found.Size(), text: text}
	return false, nil
}

// configBytesMax bounds what is read of a configuration file. All settings with their comments are far smaller.
const configBytesMax = 1 << 20

func readConfig(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it was only read
	text, err := io.ReadAll(io.LimitReader(f, configBytesMax+1))
	if err == nil && len(text) > configBytesMax {
		err = fmt.Errorf("it is longer than %d bytes", configBytesMax)
	}
	return text, err
}

// takeFile has the process go by a text of its configuration file. It returns an error, having changed nothing, where the change cannot be
// added to the history now.
func (l *liveSettings) takeFile(ctx context.Context, text []byte) (int, error) {
	l.mu.Lock()
	before, wanted, applied := l.text, l.wanted, l.applied
	l.mu.Unlock()
	if bytes.Equal(before, text) {
		return 0, nil
	}
	if len(bytes.TrimSpace(text)) == 0 {
		// Whoever writes in place has emptied it, and may not be done.
		l.app.log.WarnContext(ctx, "the configuration file is empty; the process goes on with the settings that it has", "file", l.from.File)
		return 0, nil
	}
	changed, err := l.checkFile(before, text, wanted, applied)
	if err != nil {
		l.app.log.ErrorContext(ctx, "the configuration file was changed, and is wrong: the process goes on with the settings that it has, and would not start with this file",
			"file", l.from.File, "problems", err.Error())
		return 0, nil
	}
	edited := map[string]setting.FileText{}
	var later []settings.Difference
	for _, d := range changed {
		if d.Live {
			edited[d.Path] = setting.FileText{Before: d.Before, After: d.After}
		} else {
			later = append(later, d)
		}
	}
	if err := l.recordFile(ctx, edited); err != nil {
		return 0, fmt.Errorf("the change of %s waits until it can be added to the history: %w", l.from.File, err)
	}
	if len(later) > 0 {
		l.app.log.WarnContext(ctx, "the configuration file was changed in settings that are not live: restart the process for them", "file", l.from.File, "settings", inWords(later))
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, err = l.apply(ctx, text, l.wanted, "file", l.from.File); err != nil {
		l.tellRefused(ctx, l.wanted, err)
		_, err = l.apply(ctx, text, l.applied, "file", l.from.File)
	}
	return 1, err
}

// checkFile returns what differs between two texts of the file, without the live layer. It returns settings.Problems where the process
// could not go by the second one, with the live layer that is wanted or with the one that it has.
func (l *liveSettings) checkFile(before, after []byte, wanted, applied setting.Change) ([]settings.Difference, error) {
	_, was, err := l.load(before, setting.Change{})
	if err != nil {
		return nil, err
	}
	_, is, err := l.load(after, setting.Change{})
	if err != nil {
		return nil, err
	}
	if _, _, err := l.load(after, wanted); err != nil {
		if _, _, err := l.load(after, applied); err != nil {
			return nil, err
		}
	}
	return settings.Differences(was, is), nil
}

// recordFile adds what was changed in the file to the history and the audit log.
func (l *liveSettings) recordFile(ctx context.Context, edited map[string]setting.FileText) error {
	if len(edited) == 0 {
		return nil
	}
	if err := l.app.mint.Check(); err != nil {
		return err
	}
	actor := fmt.Sprintf("file %s, node %d", filepath.Base(l.from.File), l.app.mint.Node())
	const reason = "the configuration file was changed"
	ctx = auditlog.WithEntry(ctx, auditlog.Entry{
		ID: id.New[id.AuditEntry](l.app.mint), At: l.app.clock.Now(), Actor: actor, Verb: "changeSettings", Subject: filepath.Base(l.from.File), Reason: reason,
	})
	_, err := l.app.settings.FileChanged(ctx, actor, reason, edited)
	return err
}
