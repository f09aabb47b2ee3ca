//go:build !crashpoints

package clock

import "time"

func now() time.Time { return time.Now() }

func jumped() time.Duration { return 0 }

func confirmFor() time.Duration { return confirmAfter }
