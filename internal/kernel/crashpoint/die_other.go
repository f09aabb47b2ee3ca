//go:build crashpoints && !unix

package crashpoint

import "os"

// die ends the process without running anything of it.
func die() { os.Exit(137) }
