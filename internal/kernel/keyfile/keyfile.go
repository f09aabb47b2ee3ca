// Package keyfile reads and creates files that hold a secret: signing keys, encryption keys, providers' secrets.
package keyfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// bytesMax bounds a key file.
const bytesMax = 4096

// Read returns the text of a key file. It rejects a file that is not regular, is longer than 4096 bytes, or is open to
// users other than its owner, and says what to do about it. A group may read the file, because containers get their
// secrets that way. The error for a missing file satisfies errors.Is(err, fs.ErrNotExist).
func Read(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = file.Close() }() // it was only read
	info, err := file.Stat()
	if err != nil {
		return "", err
	}
	if mode := info.Mode(); !mode.IsRegular() || tooOpen(mode.Perm()) {
		return "", fmt.Errorf("%s has mode %s: it must be a file that only its owner writes and the world cannot read; run chmod 600 %s", path, mode, path)
	}
	text, err := io.ReadAll(io.LimitReader(file, bytesMax+1))
	if err != nil {
		return "", err
	}
	if len(text) > bytesMax {
		return "", fmt.Errorf("%s is larger than %d bytes", path, bytesMax)
	}
	return string(text), nil
}

// tooOpen reports whether the group may write the file or the world do anything with it. On Windows the mode does not
// say who may read a file.
func tooOpen(mode fs.FileMode) bool { return runtime.GOOS != "windows" && mode&0o027 != 0 }

// Create writes a key file with mode 0600, and creates a missing folder with 0700. It links a temporary file into
// place, so that nobody ever reads half a key. It does not replace an existing file: its error then satisfies
// errors.Is(err, fs.ErrExist). If two processes create one concurrently, both can then read the first one's.
func Create(path, text string) error {
	folder := filepath.Dir(path)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	file, err := os.CreateTemp(folder, ".key-*") // mode 0600
	if err != nil {
		return err
	}
	_, err = file.WriteString(text)
	err = errors.Join(err, file.Sync(), file.Close())
	if err == nil {
		err = os.Link(file.Name(), path)
	}
	err = errors.Join(err, os.Remove(file.Name()))
	if err == nil {
		err = syncFolders(folder)
	}
	return err
}

// syncFolders makes the file's and the folder's names survive a power cut, because what the key signs or encrypts from
// now on does too.
func syncFolders(folder string) error {
	if runtime.GOOS == "windows" {
		return nil // Windows cannot sync a folder
	}
	for _, path := range []string{folder, filepath.Dir(folder)} {
		opened, err := os.Open(path)
		if err != nil {
			return err
		}
		if err := errors.Join(opened.Sync(), opened.Close()); err != nil {
			return err
		}
	}
	return nil
}
