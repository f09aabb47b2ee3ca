package drill

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/tidegate/tidegate/internal/drill/machine"
)

// Process is a private shop, or another server of the drill's, in a process of its own: its CPU and memory are then its
// own, too.
type Process struct {
	Address
	PID int
	// Kill ends it at once, as a crash does, and waits for its end. Stop ends it in order. The first of the two counts.
	Kill func() error
	Stop func() error
}

// Starter starts a private shop. Called again it starts the same shop, on the same data, anew.
type Starter func(ctx context.Context) (*Process, error)

// Usage is what a process has used since it began.
type Usage struct {
	CPU      time.Duration
	RSSMax   int64 // bytes, the most it ever held; zero where the system does not tell
	RSS      int64
	Commits  int64 // group commits; -1 where unknown
	CommitAt time.Time
}

// usage reads what the shop has used: from its metrics, and from the system where it is a process of ours.
func (c *client) usage(ctx context.Context, pid int) Usage {
	u := Usage{Commits: -1, CommitAt: time.Now()}
	if ops := c.at.Load().Ops; ops != "" {
		c.scrape(ctx, ops, &u)
	}
	if pid != 0 {
		if cpu, rss, rssMax, ok := machine.Used(pid); ok {
			u.CPU, u.RSS, u.RSSMax = cpu, rss, rssMax
		}
	}
	return u
}

// scrape reads the few metrics that a drill tells.
func (c *client) scrape(ctx context.Context, ops string, u *Usage) {
	answer, err := c.do(ctx, http.MethodGet, ops+"/metrics", "", nil)
	if err != nil {
		return // nothing is told of it then
	}
	defer func() { _ = answer.Body.Close() }()
	u.Commits = 0 // the counter is there from the first commit on
	for line := bufio.NewScanner(io.LimitReader(answer.Body, 16<<20)); line.Scan(); {
		name, value, found := strings.Cut(line.Text(), " ")
		if !found || strings.HasPrefix(name, "#") {
			continue
		}
		n, err := strconv.ParseFloat(value, 64)
		if err != nil {
			continue
		}
		switch name, _, _ = strings.Cut(name, "{"); name {
		case "process_cpu_seconds_total":
			u.CPU = time.Duration(n * float64(time.Second))
		case "process_resident_memory_bytes":
			u.RSS = int64(n)
			u.RSSMax = max(u.RSSMax, u.RSS)
		case "tidegate_commit_duration_seconds_count":
			u.Commits += int64(n)
		}
	}
}
