// Command tianfu is the whole product in one binary: it replays workloads
// against a fleet and runs a centre live. This room owns flags, files,
// wiring and the words printed to people; no rule of scheduling lives here.
// Read this file first, then the file named like the subcommand.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/spf13/cobra"

	"tianfu/fault"
)

func main() {
	becomeShim()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	p := &program{out: os.Stdout, err: os.Stderr}
	code := p.Run(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}

// program is one run of the binary: where it writes and which flags hold for
// every subcommand. Tests make their own.
type program struct {
	out, err io.Writer
	format   string // -o
}

// Run executes one command line and returns the exit code of fault's table.
func (p *program) Run(ctx context.Context, args []string) int {
	root := p.root()
	root.SetArgs(args)
	if c, err := root.ExecuteContextC(callerTrace(ctx)); err != nil {
		err = missingFlags(c, err)
		kind := fault.KindOf(err)
		if _, ok := errors.AsType[*usageError](err); ok {
			kind = fault.Invalid
		}
		fmt.Fprintf(p.err, "tianfu: %v\n", err)
		return kind.ExitCode()
	}
	return 0
}

func (p *program) root() *cobra.Command {
	root := &cobra.Command{
		Use:           "tianfu",
		Short:         "The control plane of a green, heterogeneous computing centre",
		Version:       version + built(),
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetOut(p.out)
	root.SetErr(p.err)
	root.SetFlagErrorFunc(flagError)
	root.PersistentPreRunE = p.checkOutput
	root.SetVersionTemplate("tianfu {{.Version}}\n")
	root.PersistentFlags().StringVarP(&p.format, "output", "o", "table", "output format: table, json, yaml or csv")
	for _, g := range p.groups() {
		root.AddGroup(&cobra.Group{ID: g.id, Title: g.title + ":"})
		for _, c := range g.commands {
			c.GroupID = g.id
			root.AddCommand(c)
		}
	}
	root.AddCommand(p.shim()) // hidden
	markUsageErrors(root)
	return root
}

// groups of subcommands, in the order of the help; a command is one file.
func (p *program) groups() []commandGroup {
	return []commandGroup{
		{"jobs", "Jobs", []*cobra.Command{p.job(), p.why(), p.top(), p.queue(), p.reservation(), p.plan(), p.dataset()}},
		{"centre", "A running centre", []*cobra.Command{p.serve(), p.doctor(), p.node(), p.world(), p.powerCommand(), p.capCommand(), p.budget(),
			p.backup(), p.restore(), p.store(), p.audit(), p.api()}},
		{"who", "Who you are", []*cobra.Command{p.token(), p.login(), p.logout(), p.whoami(), p.context()}},
		{"energy", "Energy, carbon and money", []*cobra.Command{p.usage(), p.bill(), p.receipt(), p.report(), p.meter(), p.green()}},
		{"replay", "Replay and what-if", []*cobra.Command{p.replay(), p.compare(), p.whatif(), p.trace()}},
		{"fleet", "Hardware", []*cobra.Command{p.check(), p.catalogue(), p.fleet()}},
	}
}

type commandGroup struct {
	id, title string
	commands  []*cobra.Command
}

// built says from which state of the source the binary was made, where the build
// recorded it.
func built() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	said, changed := "", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			said = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			changed = ", changed"
		}
	}
	if said == "" {
		return ""
	}
	return fmt.Sprintf(" (%.12s%s, %s)", said, changed, info.GoVersion)
}
