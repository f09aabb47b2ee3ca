package wire

import (
	"sync/atomic"
	"time"
)

// dateFormat is the form of a Date in UTC: RFC 9110, section 5.6.7.
const dateFormat = "Mon, 02 Jan 2006 15:04:05 GMT"

// date is the Date of all answers that begin in the same second: what an HTTP library would write anew for each.
type date struct {
	second int64
	value  []string
}

var lastDate atomic.Pointer[date]

// Date returns the Date of an answer (RFC 9110, section 6.6.1), shared: it must not be changed.
func Date(now time.Time) []string {
	d := lastDate.Load()
	if second := now.Unix(); d == nil || d.second != second {
		d = &date{second, []string{now.UTC().Format(dateFormat)}}
		lastDate.Store(d)
	}
	return d.value
}
