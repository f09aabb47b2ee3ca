package keyfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// othersMay are the bits of a mode that let anybody but the owner do something.
const othersMay fs.FileMode = 0o077

// CreatePrivate creates a file that its owner alone can read, or empties the one that is there and makes it so. What is no regular file, such
// as /dev/null, keeps its mode.
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
