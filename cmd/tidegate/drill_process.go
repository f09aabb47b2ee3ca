package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/tidegate/tidegate/internal/app/folder"
	"github.com/tidegate/tidegate/internal/drill"
)

// child is another process of this binary.
type child struct {
	*exec.Cmd
	said  bytes.Buffer // stderr; read it after ended
	ended chan struct{}
}

// startSelf starts this binary with other arguments and writes what it prints to out, unless that is nil. Ctrl-C is for this
// process alone: it decides when the child ends.
func startSelf(out io.Writer, args ...string) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := &child{Cmd: exec.Command(self, args...), ended: make(chan struct{})}
	c.SysProcAttr = apart()
	c.Stderr = &c.said
	c.Stdout = out
	if err := c.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = c.Wait() // how it ended is told by what it said
		close(c.ended)
	}()
	return c, nil
}

// kill ends the process at once and waits for its end. One that has ended stays so.
func (c *child) kill() error {
	if err := c.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	<-c.ended
	return nil
}

// stopPatience is longer than the grace time that a shop takes by default.
const stopPatience = 30 * time.Second

// stop ends the process in order, and at once where it does not end in time.
func (c *child) stop() error {
	if err := c.Process.Signal(syscall.SIGTERM); err != nil {
		return c.kill() // it has ended, or the system has no such signal
	}
	select {
	case <-c.ended:
		return nil
	case <-time.After(stopPatience):
		return c.kill()
	}
}

// privateShop is a shop for one drill: a process of this binary on a folder that is thrown away.
type privateShop struct {
	tool    *tool
	folder  string
	express bool // it has an express lane
}

// readyPatience is how long a private shop may take to serve.
const readyPatience = 30 * time.Second

// start implements drill.Starter. Settings given to the drill are the shop's, except for where it lives.
func (s *privateShop) start(ctx context.Context) (*drill.Process, error) {
	if s.folder == "" {
		var err error
		if s.folder, err = os.MkdirTemp("", "tidegate-drill-"); err != nil {
			return nil, err
		}
	}
	args := []string{"serve", "--data", s.folder, "--http.address", "127.0.0.1:0", "--ops.address", "127.0.0.1:0"}
	if s.express {
		args = append(args, "--express.address", "127.0.0.1:0")
	}
	if s.tool.set["http.client_connections_max"] == "" {
		args = append(args, "--http.client_connections_max", "0") // a drill is one client
	}
	if s.tool.set["log.level"] == "" {
		args = append(args, "--log.level", "error")
	}
	if s.tool.configFile != "" {
		args = append(args, "--config", s.tool.configFile)
	}
	for path, value := range s.tool.set {
		if path != "data" && path != "http.address" && path != "express.address" && path != "ops.address" {
			args = append(args, "--"+path+"="+value)
		}
	}
	c, err := startSelf(nil, args...)
	if err != nil {
		return nil, err
	}
	at, err := s.wait(ctx, c)
	if err != nil {
		return nil, errors.Join(err, c.kill())
	}
	return &drill.Process{
		Address: drill.Address{Public: at.Public, Express: at.Express, Ops: at.Ops, AdminKey: at.AdminKey},
		PID:     c.Process.Pid, Kill: c.kill, Stop: c.stop,
	}, nil
}

// wait waits until the shop serves.
func (s *privateShop) wait(ctx context.Context, c *child) (r folder.Running, err error) {
	deadline := time.After(readyPatience)
	for {
		if r, found, err := folder.ReadRunning(s.folder); err == nil && found && r.PID == c.Process.Pid {
			return r, nil
		}
		select {
		case <-c.ended:
			return r, fmt.Errorf("it ended: %s", strings.TrimSpace(c.said.String()))
		case <-ctx.Done():
			return r, ctx.Err()
		case <-deadline:
			return r, fmt.Errorf("it does not serve after %s", readyPatience)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// clear throws the data away.
func (s *privateShop) clear() error {
	if s.folder == "" {
		return nil
	}
	return os.RemoveAll(s.folder)
}

// nightFlagNames are the names of the command's flags.
func nightFlagNames(cmd *cobra.Command) iter.Seq[string] {
	return func(yield func(string) bool) {
		more := true
		cmd.Flags().VisitAll(func(f *pflag.Flag) { more = more && yield(f.Name) })
	}
}
