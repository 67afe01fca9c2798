package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"tianfu/fault"
	"tianfu/fleet"
	"tianfu/unit"
)

func (p *program) check() *cobra.Command {
	var by string
	var strict bool
	c := &cobra.Command{
		Use:   "check WORLD",
		Short: "Check a world file and print the effective world",
		Long: `Check reads a world file and finds everything wrong with it: unknown keys,
missing units, contradictions, limits. Faults go to stderr with their line and
end the command with code 2; warnings go to stderr and do not, unless --strict.

What the world amounts to is printed as a table, or as CSV:
  --by sku    nodes of each SKU on each site, and the total
  --by area   sites, buildings, halls, rows and racks: what stands in them, what
              it draws, and how much of the limit that is
  --by node   every node with its place, network and state
  --by meter  the meters, what each covers and how it is read
  --by queue  the queues, whose they are and what each is guaranteed

-o yaml and -o json print all of it with the defaults filled in and the hardware
it is made of; both are world files themselves.`,
		Example: `  tianfu check examples/chengdu.yaml
  tianfu check examples/chengdu.yaml --by area
  tianfu check examples/chengdu.yaml -o yaml > effective.yaml`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			tables := map[string]func(*fleet.World) *table{"sku": worldTable, "area": worldAreaTable, "node": worldNodeTable, "meter": worldMeterTable, "queue": worldQueueTable}
			if tables[by] == nil {
				return fault.New(fault.Invalid, "--by", strconv.Quote(by)+" is no view of a world", "use sku, area, node, meter or queue")
			}
			w, warnings, err := parseWorldFile(args[0])
			if err != nil {
				return err
			}
			warnings = append(warnings, sleepless(args[0], w)...)
			warnings = append(warnings, signalWarnings(w)...)
			for _, warning := range warnings {
				fmt.Fprintln(p.err, "warning:", warning)
			}
			if strict && len(warnings) > 0 {
				return fault.Invalidf(args[0], "%d warnings, and --strict takes none", len(warnings))
			}
			return p.print(w, tables[by](w))
		},
	}
	c.Flags().StringVar(&by, "by", "sku", "what the table shows: sku, area, node, meter or queue")
	c.Flags().BoolVar(&strict, "strict", false, "warnings end the command with code 2 too")
	return c
}

// signalWarnings reads what the sites of a world name: series, tariffs, weather,
// secrets. They may lie on another machine than this one, so what is amiss is a
// warning here; a centre does not start with it.
func signalWarnings(w *fleet.World) []fleet.Warning {
	if _, err := siteSignals(w); err != nil {
		return []fleet.Warning{{Where: "on this machine", What: err.Error(), Fix: "a centre does not start with this"}}
	}
	return nil
}

// worldTable sums a world up by site and SKU.
func worldTable(w *fleet.World) *table {
	t := &table{header: []string{"SITE", "SKU", "NODES", "MODEL", "ACCELERATORS", "VCPU", "MEMORY_GIB", "IDLE_KW", "FULL_KW", "OUT"}}
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
		strconv.FormatInt(c.CPU/1000, 10), strconv.FormatInt(c.MemoryMiB>>10, 10),
		inKW(c.Idle), inKW(c.Full), strconv.Itoa(c.Out))
}

// worldAreaTable shows what every site, building, hall, row and rack holds and
// draws.
func worldAreaTable(w *fleet.World) *table {
	t := &table{header: []string{"AREA", "LEVEL", "NODES", "ACCELERATORS", "UNITS", "UNITS_USED", "IDLE_KW", "FULL_KW", "LIMIT_KW", "FULL_OF_LIMIT"}}
	for _, a := range w.Areas() {
		limit, part := "", ""
		if a.Limit > 0 {
			limit, part = inKW(a.Limit), strconv.FormatFloat(100*float64(a.Full)/float64(a.Limit), 'f', 1, 64)+"%"
		}
		t.add(a.Path, a.Level, strconv.Itoa(a.Nodes), strconv.Itoa(a.Devices), count(a.Slots), strconv.Itoa(a.Used), inKW(a.Idle), inKW(a.Full), limit, part)
	}
	return t
}

// worldNodeTable shows every node.
func worldNodeTable(w *fleet.World) *table {
	t := &table{header: []string{"NODE", "SKU", "PLACE", "SEGMENT", "POD", "RAIL", "MODEL", "ACCELERATORS", "STATE"}}
	f := w.Fleet()
	for i := range f.Nodes {
		n := &f.Nodes[i]
		t.add(string(n.ID), n.SKU, n.Place.Path(), n.Segment, n.Pod, n.Rail, string(n.Model), strconv.Itoa(len(n.Devices)), stateOf(n))
	}
	return t
}

// stateOf says in words what is the matter with a node; empty when nothing is.
func stateOf(n *fleet.Node) string {
	words := conditionOf(n.Health, n.Cordoned)
	if n.Drain {
		words = append(words, "drain")
	}
	for _, m := range n.Maintenance {
		words = append(words, "maintenance "+m.From.String()+" to "+m.To.String())
	}
	for k, d := range n.Devices {
		if own := conditionOf(d.Health, d.Cordoned); len(own) > 0 {
			words = append(words, "device "+strconv.Itoa(k)+" "+strings.Join(own, " "))
		}
	}
	return strings.Join(words, ", ")
}

func conditionOf(h fleet.Health, cordoned bool) []string {
	var words []string
	if h != fleet.Healthy {
		words = append(words, h.String())
	}
	if cordoned {
		words = append(words, "cordoned")
	}
	return words
}

func inKW(w unit.Watts) string { return strconv.FormatFloat(float64(w)/1000, 'f', 1, 64) }

// worldQueueTable shows every queue.
func worldQueueTable(w *fleet.World) *table {
	t := &table{header: []string{"QUEUE", "TENANTS", "COHORT", "WEIGHT", "PRIORITY", "GUARANTEED", "BORROW", "LEND"}}
	for i := range w.Queues {
		q := &w.Queues[i]
		t.add(q.Name, strings.Join(q.Tenants, " "), q.Cohort, strconv.Itoa(q.Weight), q.Priority, q.Guaranteed.String(), q.Borrow.String(), q.Lend.String())
	}
	return t
}
