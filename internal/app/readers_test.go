package app

import (
	"bytes"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/tidegate/tidegate/internal/app/folder"
)

// TestWhatOthersCanReadIsTold: a start says of everything that holds the shop's data or secrets that others can read it, with the command
// that ends that; what the shop makes itself it takes from them.
func TestWhatOthersCanReadIsTold(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("modes say nothing there")
	}
	const quiet = ""
	for name, c := range map[string]struct {
		path string // in the folder
		mode fs.FileMode
		says string // of the log; quiet: nothing
		want fs.FileMode
	}{
		"a folder of the owner's":         {".", 0o700, quiet, 0o700},
		"a folder that others list":       {".", 0o755, "chmod 700 ", 0o755},
		"a folder of a group":             {".", 0o750, "chmod 700 ", 0o750},
		"a folder that others write":      {".", 0o777, "chmod 700 ", 0o777},
		"the database":                    {"tidegate.db", 0o644, "not any more", 0o600},
		"its log":                         {"tidegate.db-wal", 0o640, "not any more", 0o600},
		"the lock":                        {folder.LockFile, 0o666, "not any more", 0o600},
		"the demonstration's password":    {folder.DemoFile, 0o644, "not any more", 0o600},
		"the folder of mails":             {folder.MailFolder, 0o755, "not any more", 0o700},
		"the folder of keys":              {folder.KeysFolder, 0o755, "not any more", 0o700},
		"a signing key of a group":        {"keys/signing.key", 0o640, "chmod 600 ", 0o640},
		"the sandbox's secret of a group": {"keys/sandbox.secret", 0o440, "chmod 600 ", 0o440},
		"a configuration with a secret":   {"shop.yaml", 0o644, "chmod 600 ", 0o644},
		"a configuration of the owner's":  {"shop.yaml", 0o600, quiet, 0o600},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := testConfig(t)
			config.Data = filepath.Join(config.Data, "shop")
			start := func(o Options) {
				a, err := New(t.Context(), config, o)
				noError(t, err)
				_, stop := running(t, a)
				noError(t, stop())
				noError(t, a.Close())
			}
			start(Options{})
			noError(t, os.MkdirAll(filepath.Join(config.Data, folder.MailFolder), 0o700))
			for _, file := range []string{folder.DemoFile, "shop.yaml", "tidegate.db-wal"} {
				noError(t, os.WriteFile(filepath.Join(config.Data, file), nil, 0o600))
			}
			path := filepath.Join(config.Data, c.path)
			noError(t, os.Chmod(path, c.mode))
			var log bytes.Buffer
			a, err := New(t.Context(), config, Options{
				Log:         slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn})),
				SecretsFile: filepath.Join(config.Data, "shop.yaml"),
			})
			noError(t, err)
			_, stop := running(t, a)
			if info, err := os.Stat(path); err != nil || info.Mode().Perm() != c.want {
				t.Errorf("the mode is %v, %v; want %v", info.Mode(), err, c.want)
			}
			noError(t, stop())
			noError(t, a.Close())
			said := ""
			for line := range strings.Lines(log.String()) {
				if !strings.Contains(line, "payments.provider") { // of which every start tells
					said += line
				}
			}
			if c.says == quiet && said != "" || !strings.Contains(said, c.says) || c.says != quiet && !strings.Contains(said, path) {
				t.Errorf("the log says %q, want %q and %s", said, c.says, path)
			}
		})
	}
}

// TestASecretThatOthersCanReadEndsTheStart: keys that the world can read may be anybody's.
func TestASecretThatOthersCanReadEndsTheStart(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("modes say nothing there")
	}
	for _, key := range []string{"keys/signing.key", "keys/sandbox.secret"} {
		config := testConfig(t)
		a, err := New(t.Context(), config, Options{})
		noError(t, err)
		noError(t, a.Close())
		path := filepath.Join(config.Data, key)
		noError(t, os.Chmod(path, 0o644))
		if a, err := New(t.Context(), config, Options{}); err == nil || !strings.Contains(err.Error(), "chmod 600 "+path) {
			t.Errorf("%s of the world's: %v, %v", key, a, err)
		}
	}
}

// TestWhatIsMadeIsItsOwners: whatever the umask, a new shop's folder holds nothing that others can read.
func TestWhatIsMadeIsItsOwners(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("modes say nothing there")
	}
	config := testConfig(t)
	config.Data = filepath.Join(config.Data, "shop")
	a, err := New(t.Context(), config, Options{Demo: true})
	noError(t, err)
	_, stop := running(t, a)
	seen := 0
	noError(t, filepath.WalkDir(config.Data, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		seen++
		if info, err := d.Info(); err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: others may use it: %v, %v", path, d, err)
		}
		return nil
	}))
	if seen < 8 {
		t.Errorf("only %d files were looked at", seen)
	}
	noError(t, stop())
	noError(t, a.Close())
}
