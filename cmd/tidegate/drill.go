package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tidegate/tidegate/internal/drill"
	"github.com/tidegate/tidegate/internal/drill/machine"
	"github.com/tidegate/tidegate/internal/drill/profile"
	"github.com/tidegate/tidegate/internal/drill/report"
	"github.com/tidegate/tidegate/internal/kernel/keyfile"
)

const drillHelp = `Rehearses the sale night: lets a crowd loose on a shop, remembers every answer, and afterwards settles accounts with
the shop's database: was one unit too many sold, was an order lost that had been answered for, did a key get two orders.

Alone it starts a private shop, with data that is thrown away, in a process of its own. With --target it rehearses with a
running one, or with several processes of one shop, --target A,B. It makes its own products, stock, sale and shoppers there,
told apart as a rehearsal and left out of every list. They stay, because the ledger forgets nothing.

A night is described by flags, by a YAML file (--night), or is the default: a drop of 5,000 units for 20,000 shoppers.
Flags go over the file. The fields of the file are the flags' names with _ for -, and some are groups:

  shoppers: 20000                units: 1000                  limit: 2
  skus: 5                        units_per_order: 1           price_minor: 2500
  load: open                     connections: 256             duration: 0s
  arrivals: {shape: spike, over: 8s}     # ramp, steps, constant; or csv: {file: orders.csv.gz, compress: 1000000}
  retry: 0.1                     other_body: 0.02             greedy: 0.2
  pay: 0.6                       pay_after: 1s                abandon: 0.3
  readers: {connections: 32, per_second: 1000}

Open load comes by the clock, however the shop is doing, and latency counts from the moment a request was due. Closed load
is connections that each send the next request when they have the last answer.

--ceiling measures the shop's rates besides: durable orders, sold-out answers, product reads, pages of a sale, and orders at
half of the top rate; and, with the same generator and connections, a bare HTTP server that does nothing, which is what they are told as a
share of. That server is measured in slices, one before each measurement and one after, because a machine that others use is not as
fast now as a few seconds ago: ceiling_per_s is of all slices, and each ratio is to the two around its measurement.

Ctrl-C ends the night early; accounts are settled all the same. Exit status 1 where they do not agree.`

// drillFlags is what the command line says of a drill.
type drillFlags struct {
	night, json, report, ops, express, lane string
	ceiling                                 bool
	killAfter, measure                      time.Duration
	viewers                                 int
}

func newDrill(t *tool) *cobra.Command {
	var f drillFlags
	n := profile.Default()
	cmd := &cobra.Command{
		Use:   "drill",
		Short: "Rehearse the sale night and settle accounts",
		Long:  drillHelp,
		Example: `  tidegate drill
  tidegate drill --ceiling --json out.json --report out.html
  tidegate drill --shoppers 100000 --arrivals ramp --over 1m --kill-after 20s
  tidegate drill --target https://staging.example.com --night friday.yaml`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return t.drill(cmd, f, n) },
	}
	addTargetFlags(cmd)
	flags := cmd.Flags()
	flags.StringVar(&f.night, "night", "", "YAML `FILE` that describes the night")
	flags.StringVar(&f.json, "json", "", "write the result as one JSON object to a `FILE` (- is stdout)")
	flags.StringVar(&f.report, "report", "", "write a page for people who were not there to a `FILE`")
	flags.StringVar(&f.ops, "ops", "", "address of the target's ops listener, for its memory, CPU and commits")
	flags.StringVar(&f.express, "express", "", "address of the target's express lane")
	flags.StringVar(&f.lane, "lane", drill.Main, "which lane to rehearse: main, express or both")
	flags.BoolVar(&f.ceiling, "ceiling", false, "measure the shop's rates, and a bare server as their ceiling")
	flags.DurationVar(&f.measure, "measure", 3*time.Second, "how long each measurement of --ceiling takes")
	flags.IntVar(&f.viewers, "viewers", 0, "with --ceiling: how many watch a sale's numbers while what they cost is measured")
	flags.DurationVar(&f.killAfter, "kill-after", 0, "kill the private shop so long after the night began, and start it again")
	addNightFlags(cmd, &n)
	cmd.AddCommand(newDrillBare())
	return cmd
}

// addNightFlags adds a flag for every field of a night that is not only for files.
func addNightFlags(cmd *cobra.Command, n *profile.LoadProfile) {
	flags := cmd.Flags()
	flags.StringVar(&n.Title, "title", n.Title, "name of the rehearsal in the shop; it must be new there")
	flags.IntVar(&n.Shoppers, "shoppers", n.Shoppers, "how many come")
	flags.IntVar(&n.SKUs, "skus", n.SKUs, "how many different things are sold")
	flags.IntVar(&n.Units, "units", n.Units, "how many there are of each")
	flags.IntVar(&n.Limit, "limit", n.Limit, "units one shopper may have; 0 is no limit")
	flags.IntVar(&n.UnitsPerOrder, "units-per-order", n.UnitsPerOrder, "units one order asks for")
	flags.StringVar(&n.Load, "load", n.Load, "open or closed")
	flags.StringVar(&n.Arrivals.Shape, "arrivals", n.Arrivals.Shape, "how they come in open load: spike, ramp, steps, constant or csv")
	flags.DurationVar(&n.Arrivals.Over, "over", n.Arrivals.Over, "from the first to the last")
	flags.IntVar(&n.Arrivals.PerSecond, "per-second", n.Arrivals.PerSecond, "rate of constant arrivals, in the place of --over")
	flags.IntVar(&n.Arrivals.Steps, "steps", n.Arrivals.Steps, "levels of stepped arrivals")
	flags.StringVar(&n.Arrivals.File, "arrivals-file", n.Arrivals.File, "CSV `FILE` with times, also .gz, whose shape the arrivals follow")
	flags.StringVar(&n.Arrivals.Column, "arrivals-column", n.Arrivals.Column, "its column of times; the first that holds any where empty")
	flags.Float64Var(&n.Arrivals.Compress, "compress", n.Arrivals.Compress, "factor by which its time is compressed; 0 fits it into --over")
	flags.IntVar(&n.Connections, "connections", n.Connections, "connections that the shoppers share")
	flags.DurationVar(&n.Duration, "duration", n.Duration, "end the night after so long; 0 waits for everybody")
	flags.Float64Var(&n.Retry, "retry", n.Retry, "share of buyers who send the same request again")
	flags.Float64Var(&n.OtherBody, "other-body", n.OtherBody, "share of buyers who send their key with another body")
	flags.Float64Var(&n.Greedy, "greedy", n.Greedy, "share of buyers who want more than the limit")
	flags.Float64Var(&n.Pay, "pay", n.Pay, "share of orders that are paid")
	flags.DurationVar(&n.PayAfter, "pay-after", n.PayAfter, "how long after the order")
	flags.Float64Var(&n.Abandon, "abandon", n.Abandon, "share of orders that are left to expire; the rest is cancelled")
	flags.IntVar(&n.Readers.Connections, "readers", n.Readers.Connections, "connections of those who only look at the product page")
	flags.IntVar(&n.Readers.PerSecond, "reads-per-second", n.Readers.PerSecond, "how often they look")
}

// readNight lays the flags that were given over the file.
func readNight(cmd *cobra.Command, file string, given profile.LoadProfile) (profile.LoadProfile, error) {
	if file == "" {
		return given, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return given, fmt.Errorf("the night file cannot be read: %w", err)
	}
	n := profile.Default()
	if err := n.Read(text); err != nil {
		return given, fmt.Errorf("the night file %s: %w", file, err)
	}
	over := &cobra.Command{}
	addNightFlags(over, &n)
	for name := range nightFlagNames(over) {
		if f := cmd.Flags().Lookup(name); f.Changed {
			if err := over.Flags().Set(name, f.Value.String()); err != nil {
				return given, err
			}
		}
	}
	return n, nil
}

func (t *tool) drill(cmd *cobra.Command, f drillFlags, given profile.LoadProfile) (err error) {
	n, err := readNight(cmd, f.night, given)
	if err != nil {
		return usageError{err}
	}
	if err := n.Validate(); err != nil {
		return usageError{err}
	}
	switch {
	case f.lane != drill.Main && f.lane != drill.Express && f.lane != bothLanes:
		return usageError{fmt.Errorf("--lane: %s, %s or %s, not %q", drill.Main, drill.Express, bothLanes, f.lane)}
	case f.lane != drill.Main && f.express == "" && t.target(cmd).URL != "":
		return usageError{fmt.Errorf("--lane %s needs the address of the target's express lane: --express", f.lane)}
	}
	// The files before the night: a name that cannot be written should not cost one.
	jsonFile, err := openResult(f.json, cmd.OutOrStdout())
	if err != nil {
		return usageError{err}
	}
	defer func() { err = errors.Join(err, jsonFile.Close()) }()
	page, err := openResult(f.report, cmd.OutOrStdout())
	if err != nil {
		return usageError{err}
	}
	defer func() { err = errors.Join(err, page.Close()) }()

	at := t.target(cmd)
	targets := strings.Split(at.URL, ",")
	o := drill.Options{
		Also:  targets[1:],
		Night: n, Lane: f.lane, KillAfter: f.killAfter, Measure: f.measure, Viewers: f.viewers, Version: version(),
		Target:   drill.Address{Public: targets[0], Express: f.express, Ops: f.ops, AdminKey: at.AdminKey},
		Progress: t.terminal, Terminal: isTerminal(t.terminal),
	}
	if f.ceiling {
		o.StartBare = startBare
	}
	r, err := t.drillLanes(cmd.Context(), f.lane, o)
	if err != nil {
		return err
	}
	if f.json != "-" {
		if err := r.WriteText(cmd.OutOrStdout()); err != nil {
			return err
		}
	}
	if f.json != "" {
		if err := writeJSON(jsonFile, r); err != nil {
			return err
		}
	}
	if f.report != "" {
		if err := report.Write(page, r); err != nil {
			return err
		}
	}
	if !r.Clean() {
		return errFound
	}
	return nil
}

// bothLanes is the value of --lane that is two drills, one after the other.
const bothLanes = "both"

// drillLanes drills one lane, or the main one and then the other: each on a private shop of its own, so that what one has
// sold does not weigh on the other.
func (t *tool) drillLanes(ctx context.Context, lane string, o drill.Options) (*drill.Result, error) {
	if lane != bothLanes {
		return t.drillLane(ctx, lane, o)
	}
	title := o.Night.Title
	if title != "" {
		o.Night.Title = title + " (" + drill.Main + ")"
	}
	r, err := t.drillLane(ctx, drill.Main, o)
	if err != nil || ctx.Err() != nil {
		return r, err
	}
	if title != "" {
		o.Night.Title = title + " (" + drill.Express + ")"
	}
	r.Express, err = t.drillLane(ctx, drill.Express, o)
	return r, err
}

func (t *tool) drillLane(ctx context.Context, lane string, o drill.Options) (_ *drill.Result, err error) {
	private := &privateShop{tool: t, express: lane == drill.Express}
	defer func() { err = errors.Join(err, private.clear()) }()
	o.Lane, o.Start = lane, private.start
	return drill.Run(ctx, o)
}

// openResult opens a file for a result: stdout for -, nothing for no name.
func openResult(name string, stdout io.Writer) (io.WriteCloser, error) {
	switch name {
	case "":
		return nopCloser{io.Discard}, nil
	case "-":
		return nopCloser{stdout}, nil
	}
	return keyfile.CreatePrivate(name)
}

type nopCloser struct{ io.Writer }

// Close implements io.Closer.
func (nopCloser) Close() error { return nil }

// newDrillBare is the process that drill starts for --ceiling.
func newDrillBare() *cobra.Command {
	return &cobra.Command{
		Use:    "bare",
		Short:  "Run the bare server that --ceiling measures",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return machine.ServeBare(cmd.Context(), cmd.OutOrStdout())
		},
	}
}

var errNoAddress = errors.New("it did not tell its address")

// startBare starts the bare server in a process of its own.
func startBare(context.Context) (*drill.Process, error) {
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer func() { _ = read.Close() }()
	p, err := startSelf(write, "drill", "bare")
	_ = write.Close() // the child has its own
	if err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(read).ReadString('\n')
	if err != nil {
		return nil, errors.Join(errNoAddress, p.kill())
	}
	return &drill.Process{Address: drill.Address{Public: line[:len(line)-1]}, PID: p.Process.Pid, Kill: p.kill, Stop: p.kill}, nil
}
