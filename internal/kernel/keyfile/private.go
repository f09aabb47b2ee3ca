package keyfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// othersMay are the mode bits that permit anything to users other than the owner.
const othersMay fs.FileMode = 0o077

// CreatePrivate creates a file that only its owner can read, or truncates an existing one and makes it so. A file that
// is not regular, such as /dev/null, keeps its mode.
func CreatePrivate(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err == nil && info.Mode().IsRegular() && info.Mode().Perm()&othersMay != 0 {
		err = file.Chmod(0o600)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("restrict access to %s: %w", path, err), file.Close())
	}
	return file, nil
}
