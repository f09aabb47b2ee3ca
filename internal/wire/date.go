package wire

import (
	"sync/atomic"
	"time"
)

// dateFormat is the format of an HTTP date in UTC: RFC 9110, section 5.6.7.
const dateFormat = "Mon, 02 Jan 2006 15:04:05 GMT"

// date caches the Date header of one second, which an HTTP library would format for each answer.
type date struct {
	second int64
	value  []string
}

var lastDate atomic.Pointer[date]

// Date returns the value of the Date header (RFC 9110, section 6.6.1). Callers share the slice and must not change it.
func Date(now time.Time) []string {
	d := lastDate.Load()
	if second := now.Unix(); d == nil || d.second != second {
		d = &date{second, []string{now.UTC().Format(dateFormat)}}
		lastDate.Store(d)
	}
	return d.value
}
