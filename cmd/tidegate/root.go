package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/tidegate/tidegate/internal/app"
	"github.com/tidegate/tidegate/internal/app/settings"
)

const rootHelp = `Tidegate is a shop backend that holds when everyone comes at once.

One binary serves the shop and is the tool of whoever runs it. Try it:

  tidegate serve --demo        a working shop with a catalogue and a sale that opens in 30 seconds
  tidegate config              every setting, its value, and where the value comes from

A command that looks at a shop or changes it works on the one in the data folder (--data): through the admin API of the
process that serves it, or on the folder itself when no process does. With --target and --admin-key it works on a shop on
another machine.

Settings come from defaults, a YAML file (--config), the environment and flags; the later wins. The setting http.address
is TIDEGATE_HTTP_ADDRESS in the environment and --http.address on the command line, and so is every other that
"tidegate config" lists.

Exit status: 0 done; 1 done, and something was found (a violation, a refused row); 2 the command line or the
configuration is wrong; 3 it could not be done.`

// tool is what the commands share.
type tool struct {
	env    []string
	stderr io.Writer
	// terminal is what stderr writes to, for lines of progress that are drawn over each other.
	terminal io.Writer
	// stdout is the standard output itself: a file that is written there keeps every byte.
	stdout io.Writer
	// started says that the command line was understood: errors from then on are not of usage.
	started bool
	// unknown is the error of a command line that asks for the help of a command that does not exist.
	unknown error

	configFile string
	sources    settings.Sources  // as config has read them
	set        map[string]string // settings given as flags
}

func newRoot(t *tool) *cobra.Command {
	t.set = map[string]string{}
	root := &cobra.Command{
		Use:              "tidegate",
		Short:            "A shop backend that holds when everyone comes at once",
		Long:             rootHelp,
		SilenceErrors:    true,
		SilenceUsage:     true,
		Args:             cobra.NoArgs,
		RunE:             showHelp,
		PersistentPreRun: func(*cobra.Command, []string) { t.started = true },
	}
	t.addSettingFlags(root.PersistentFlags())
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{withSuggestion(err)} })
	root.AddCommand(newServe(t), newConfig(t), newMigrate(t), newStock(t), newSale(t), newOrder(t), newCustomer(t), newRefund(t), newImport(t), newExport(t), newDrill(t), newToken(t), newKey(t), newDeadLetter(t), newWebhook(t),
		newAudit(t), newReconcile(t), newVersion())
	t.refuseHelpOfUnknown(root)
	return root
}

// refuseHelpOfUnknown makes "tidegate nonsense --help" and "tidegate help nonsense" usage errors. Cobra prints the parent's help and
// succeeds.
func (t *tool) refuseHelpOfUnknown(root *cobra.Command) {
	show := root.HelpFunc()
	root.SetHelpFunc(func(cmd *cobra.Command, args []string) {
		if rest := cmd.Flags().Args(); cmd.HasSubCommands() && len(rest) > 0 {
			t.unknown = usageError{cobra.NoArgs(cmd, rest)}
			return
		}
		show(cmd, args)
	})
	root.InitDefaultHelpCmd()
	for _, cmd := range root.Commands() {
		if cmd.Name() != "help" {
			continue
		}
		cmd.Run = nil
		cmd.RunE = func(_ *cobra.Command, args []string) error {
			found, rest, err := root.Find(args)
			if err == nil && len(rest) > 0 {
				err = cobra.NoArgs(found, rest)
			}
			if err != nil {
				return usageError{err}
			}
			found.InitDefaultHelpFlag()
			return found.Help()
		}
	}
}

// showHelp is what a command does that only has others below it. Its Args is cobra.NoArgs, so that a mistyped one is refused.
func showHelp(cmd *cobra.Command, _ []string) error { return cmd.Help() }

// addSettingFlags adds --config, --data and, hidden because "tidegate config" tells them better, a flag for every other
// setting.
func (t *tool) addSettingFlags(flags *pflag.FlagSet) {
	flags.StringVar(&t.configFile, "config", "", "YAML file with settings (or "+app.EnvConfig+")")
	list, err := settings.Flags(app.DefaultConfig())
	if err != nil {
		panic(err) // the tree's own types are wrong: no input can cause it, and every test meets it
	}
	for _, one := range list {
		f := flags.VarPF(setting{t.set, one}, one.Path, "", one.Help)
		f.DefValue = one.Default
		f.Hidden = one.Path != "data"
		if one.Bool {
			f.NoOptDefVal = "true"
		}
	}
}

// setting is a pflag.Value that only notes what was given; package settings reads it.
type setting struct {
	given map[string]string
	flag  settings.Flag
}

// String implements pflag.Value.
func (s setting) String() string { return s.given[s.flag.Path] }

// Set implements pflag.Value.
func (s setting) Set(text string) error {
	s.given[s.flag.Path] = text
	return nil
}

// Type implements pflag.Value.
func (s setting) Type() string {
	if s.flag.Path == "data" {
		return "folder"
	}
	return "value"
}

// withSuggestion adds the nearest setting to the error of an unknown flag.
func withSuggestion(err error) error {
	unknown, ok := errors.AsType[*pflag.NotExistError](err)
	if !ok {
		return err
	}
	list, listErr := settings.Flags(app.DefaultConfig())
	if listErr != nil {
		return err
	}
	paths := make([]string, len(list))
	for i, one := range list {
		paths[i] = one.Path
	}
	near, found := settings.Nearest(strings.TrimLeft(unknown.GetSpecifiedName(), "-"), paths)
	if !found {
		return err
	}
	return fmt.Errorf("%w; did you mean --%s?", err, near)
}

// config loads the configuration that the command line, the environment and the file make.
func (t *tool) config() (app.Config, *settings.Tree, error) {
	var err error
	if t.sources, err = app.ReadSources(t.configPath(), t.env, t.set); err != nil {
		return app.Config{}, nil, usageError{err}
	}
	c, tree, err := app.LoadConfig(t.sources)
	if err != nil {
		return c, nil, usageError{err}
	}
	return c, tree, nil
}

// configPath is the configuration file; empty where none is named.
func (t *tool) configPath() string {
	if t.configFile != "" {
		return t.configFile
	}
	return t.getenv(app.EnvConfig)
}

func (t *tool) getenv(name string) string {
	value := ""
	for _, pair := range t.env {
		if text, found := strings.CutPrefix(pair, name+"="); found {
			value = text
		}
	}
	return value
}

// options returns what an App needs beside its configuration, which config has loaded. The log goes to stderr: stdout is for answers.
func (t *tool) options(c app.Config) app.Options {
	log, level := app.NewLogger(t.stderr, c, isTerminal(t.terminal))
	return app.Options{Log: log, LogLevel: level, Version: version(), Sources: &t.sources}
}

func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && isatty.IsTerminal(file.Fd())
}
