package keyfile

import (
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// TestAPrivateFileIsItsOwners: only the owner can read the file, whatever the umask and the mode of a replaced file.
func TestAPrivateFileIsItsOwners(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("modes say nothing there")
	}
	for _, before := range []fs.FileMode{0, 0o644, 0o600} { // a new or a replaced file
		path := filepath.Join(t.TempDir(), "out.json")
		if before != 0 {
			if err := os.WriteFile(path, []byte("old"), before); err != nil {
				t.Fatal(err)
			}
		}
		f, err := CreatePrivate(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 || info.Size() != 0 {
			t.Errorf("a file of mode %v became %v, %v", before, info, err)
		}
	}
}
