package folder

import (
	"context"
	"io/fs"
	"log/slog"
	"os"
	"runtime"
)

// othersMay are the bits of a mode that let anybody but the owner do something.
const othersMay fs.FileMode = 0o077

// openTo returns the mode of what is at a path where others than its owner may do anything with it; false where nobody may, nothing is there,
// or modes say nothing, as on Windows.
func openTo(path string) (fs.FileMode, bool) {
	info, err := os.Stat(path)
	if err != nil || runtime.GOOS == "windows" {
		return 0, false
	}
	return info.Mode(), info.Mode().Perm()&othersMay != 0
}

// Tighten takes from everybody but the owner what the shop itself makes in its data folder, wherever somebody has opened it: by a copy, or
// a chmod. database is the file of the database; empty where it is on a server. The keys are not among it: who could read them may have
// them, and whoever reads them refuses.
func (f *Folder) Tighten(ctx context.Context, log *slog.Logger, database string) {
	var paths []string
	for _, name := range []string{LockFile, RunningFile, DemoFile, KeysFolder, MailFolder} {
		paths = append(paths, f.Join(name))
	}
	if database != "" {
		paths = append(paths, database, database+"-wal", database+"-shm", database+"-ballast")
	}
	for _, path := range paths {
		mode, open := openTo(path)
		if !open {
			continue
		}
		if err := os.Chmod(path, mode.Perm()&^othersMay); err != nil {
			log.WarnContext(ctx, "others on this machine can read what is the shop's own", "path", path, "mode", mode.String(), "do", "chmod go-rwx "+path, "error", err)
			continue
		}
		log.WarnContext(ctx, "others on this machine could read what is the shop's own; not any more", "path", path, "mode", mode.String())
	}
}

// WarnOfReaders says whether others on this machine can read the folder or one of the files with secrets, and what to do about it. They were
// made by somebody else, who may want it so.
func (f *Folder) WarnOfReaders(ctx context.Context, log *slog.Logger, secrets []string) {
	if mode, open := openTo(f.Path); open {
		log.WarnContext(ctx, "others on this machine can look into the data folder", "path", f.Path, "mode", mode.String(), "do", "chmod 700 "+f.Path)
	}
	for _, path := range secrets {
		if mode, open := openTo(path); open {
			log.WarnContext(ctx, "others on this machine can read a file with secrets", "path", path, "mode", mode.String(), "do", "chmod 600 "+path)
		}
	}
}
