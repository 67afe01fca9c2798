package main

import (
	"os"

	"github.com/spf13/cobra"

	"tianfu/engine/local"
	"tianfu/fault"
)

// becomeShim ends the process as a task's shim when it was started as one. It
// comes before any flag is read: every task pays for what happens first.
func becomeShim() {
	if len(os.Args) > 2 && os.Args[1] == "shim" && os.Args[2] != "--help" && os.Args[2] != "-h" {
		os.Exit(local.Shim(os.Args[2:]))
	}
}

// shim is listed, hidden, so that help can say what such a process is; main has
// gone to local.Shim before cobra is reached.
func (p *program) shim() *cobra.Command {
	return &cobra.Command{
		Use:    "shim DIRECTORY",
		Short:  "Keep one task of the local engine (started by the server)",
		Hidden: true,
		Long: `Shim is the process between the server and a task: it starts the task in its
cgroup and sandbox, keeps its output, stops it at its limits and writes down how
it ended. It goes on when the server stops and ends with its task. DIRECTORY is
the task's own, below the engine's directory.`,
		Example: "  tianfu shim /var/lib/tianfu/engine/tasks/j-42.0.1",
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			return fault.Invalidf("shim "+args[0], "is started by the server, by this very name")
		},
	}
}
