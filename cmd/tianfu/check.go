package main

import (
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"tianfu/fleet"
	"tianfu/unit"
)

func (p *program) check() *cobra.Command {
	return &cobra.Command{
		Use:   "check WORLD",
		Short: "Check a world file and print the effective world",
		Long: `Check reads a world file and finds everything wrong with it: unknown keys,
missing units, contradictions, limits. Faults go to stderr with their line and
end the command with code 2; warnings go to stderr and do not.

What the world amounts to is printed as a table; -o yaml prints all of it with
its defaults filled in and the hardware it is made of, as a world file.`,
		Example: "  tianfu check examples/chengdu.yaml\n  tianfu check examples/chengdu.yaml -o yaml",
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if err := p.checkFormat(); err != nil {
				return err
			}
			w, warnings, err := parseWorldFile(args[0])
			if err != nil {
				return err
			}
			for _, warning := range warnings {
				fmt.Fprintln(p.err, "warning:", warning)
			}
			return p.print(w, worldTable(w))
		},
	}
}

// worldTable sums a world up by site and SKU.
func worldTable(w *fleet.World) *table {
	t := &table{header: []string{"SITE", "SKU", "NODES", "MODEL", "ACCELERATORS", "VCPU", "MEMORY", "IDLE_KW", "FULL_KW", "OUT"}}
	total := fleet.Count{Site: "total"}
	for _, c := range w.Counts() {
		addCount(t, c)
		total.Nodes += c.Nodes
		total.Devices += c.Devices
		total.Out += c.Out
		total.CPU += c.CPU
		total.MemoryMiB += c.MemoryMiB
		total.Idle += c.Idle
		total.Full += c.Full
	}
	addCount(t, total)
	return t
}

func addCount(t *table, c fleet.Count) {
	t.add(c.Site, c.SKU, strconv.Itoa(c.Nodes), string(c.Model), strconv.Itoa(c.Devices),
		strconv.FormatInt(c.CPU/1000, 10), strconv.FormatInt(c.MemoryMiB>>10, 10)+"GiB",
		inKW(c.Idle), inKW(c.Full), strconv.Itoa(c.Out))
}

func inKW(w unit.Watts) string { return strconv.FormatFloat(float64(w)/1000, 'f', 1, 64) }
