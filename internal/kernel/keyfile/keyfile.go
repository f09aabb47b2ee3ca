// Package keyfile reads and makes files that hold a secret: signing keys, encryption keys, the secrets of providers.
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

// Read returns the text of a key file. It refuses a file that is no regular one, is longer than 4096 bytes, or that others than its owner
// may read, and says what to do about it; a group that only reads is let be, because containers are given their secrets so. It returns an
// error for which errors.Is(err, fs.ErrNotExist) holds if the file does not exist.
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

// tooOpen reports whether the group may write the file or the world do anything with it. Windows does not say who may read a file in its
// mode.
func tooOpen(mode fs.FileMode) bool { return runtime.GOOS != "windows" && mode&0o027 != 0 }

// Create writes a key file with mode 0600, and its folder, where that is missing, with 0700. It writes beside the path and links into place,
// so that nobody ever reads half a key. A file that is there already is left alone, and is an error for which errors.Is(err, fs.ErrExist)
// holds: of two processes that create one at the same time both then read that of the first.
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

// syncFolders has the name of a file in a folder, and that of the folder, survive a power cut: what the key signs or encrypts from now on does.
func syncFolders(folder string) error {
	if runtime.GOOS == "windows" {
		return nil // a folder cannot be synced there
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
