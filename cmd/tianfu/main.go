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
	"strings"
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
	if err := root.ExecuteContext(callerTrace(ctx)); err != nil {
		var usage *usageError
		kind := fault.KindOf(err)
		if errors.As(err, &usage) || strings.HasPrefix(err.Error(), "required flag(s)") { // the library has no type for it
			kind = fault.Invalid
		}
		fmt.Fprintf(p.err, "tianfu: %v\n", err)
		return kind.ExitCode()
	}
	return 0
}

// usageError marks what cobra says about flags and arguments, so that it ends
// with the exit code of invalid input.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func (p *program) root() *cobra.Command {
	root := &cobra.Command{
		Use:           "tianfu",
		Short:         "The control plane of a green, heterogeneous computing centre",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetOut(p.out)
	root.SetErr(p.err)
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return &usageError{fmt.Errorf("%w (see %q)", err, c.CommandPath()+" --help")}
	})
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

// markUsageErrors gives argument errors the exit code of invalid input.
func markUsageErrors(c *cobra.Command) {
	if check := c.Args; check != nil {
		c.Args = func(c *cobra.Command, args []string) error {
			if err := check(c, args); err != nil {
				return &usageError{fmt.Errorf("%w (see %q)", err, c.CommandPath()+" --help")}
			}
			return nil
		}
	}
	for _, sub := range c.Commands() {
		markUsageErrors(sub)
	}
}

// groups of subcommands, in the order of the help; a command is one file.
func (p *program) groups() []commandGroup {
	return []commandGroup{
		{"jobs", "Jobs", []*cobra.Command{p.job(), p.why(), p.top(), p.queue(), p.reservation(), p.plan(), p.dataset()}},
		{"centre", "A running centre", []*cobra.Command{p.serve(), p.doctor(), p.node(), p.world(), p.powerCommand(), p.capCommand(),
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
