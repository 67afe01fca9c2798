package main

import (
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"tianfu/fault"
	"tianfu/fleet"
	"tianfu/unit"
)

func (p *program) catalogue() *cobra.Command {
	var world string
	c := &cobra.Command{
		Use:   "catalogue",
		Short: "Known hardware: accelerators, CPUs, servers; and what a server of your own costs",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.PersistentFlags().StringVar(&world, "world", "", "use the catalogue of this world file, with its changes")
	c.AddCommand(p.catalogueList(&world), p.catalogueShow(&world), p.catalogueCompose(&world))
	return c
}

// catalogueOf returns the built-in catalogue or that of a world file, and the
// world if there is one.
func catalogueOf(world string) (*fleet.Catalogue, *fleet.World, error) {
	if world == "" {
		c, err := fleet.BuiltIn()
		return c, nil, err
	}
	w, _, err := parseWorldFile(world)
	if err != nil {
		return nil, nil, err
	}
	return w.Catalogue, w, nil
}

func (p *program) catalogueList(world *string) *cobra.Command {
	return &cobra.Command{
		Use:   "list [accelerators|cpus|skus|chassis|parts]",
		Short: "List known hardware",
		Long: `List prints one kind of hardware, accelerators unless told otherwise. Peaks are
dense. TRUST is the lowest confidence among peak, memory and links; POWER_TRUST
that of the draw when idle and at full load: verified (read in the source
named), known (from the maker's page, not read again), low (sources disagree, or
an estimate of ours), declared (by your world file). "show" has the sources.
Prices are always estimates.`,
		Example:   "  tianfu catalogue list\n  tianfu catalogue list skus -o csv\n  tianfu catalogue list cpus --world examples/chengdu.yaml",
		Args:      cobra.MatchAll(cobra.MaximumNArgs(1), cobra.OnlyValidArgs),
		ValidArgs: []string{"accelerators", "cpus", "skus", "chassis", "parts"},
		RunE: func(_ *cobra.Command, args []string) error {
			c, _, err := catalogueOf(*world)
			if err != nil {
				return err
			}
			kind := "accelerators"
			if len(args) == 1 {
				kind = args[0]
			}
			switch kind {
			case "cpus":
				return p.print(c.CPUs, cpuTable(c))
			case "skus":
				return p.print(c.SKUs, skuTable(c))
			case "chassis":
				return p.print(c.Chassis, chassisTable(c))
			case "parts":
				return p.print(c.Parts, partTable(c))
			}
			return p.print(c.Accelerators, acceleratorTable(c))
		},
	}
}

func acceleratorTable(c *fleet.Catalogue) *table {
	t := &table{header: []string{"NAME", "MAKER", "STACK", "FP16_TFLOPS", "INT8_TOPS", "MEMORY", "GB/S", "GROUP", "IDLE_W", "FULL_W", "PARTITIONS", "TRUST", "POWER_TRUST", "ASSUMED"}}
	for i := range c.Accelerators {
		a := &c.Accelerators[i]
		int8 := ""
		if f, ok := a.Peak["int8"]; ok {
			int8 = number(float64(f.Value))
		}
		lines := a.Lines()
		t.add(string(a.Name), a.Maker, a.Stack, number(a.Traits().FP16TFLOPS), int8, a.Memory.Value.String(), number(float64(a.Bandwidth.Value)),
			count(a.Group), watts(a.Idle), watts(a.Full), count(len(a.Profiles)),
			fleet.Trust(lines, "peak", "memory", "bandwidth", "link_bandwidth").String(), fleet.Trust(lines, "idle", "full").String(), a.Assumed)
	}
	return t
}

func cpuTable(c *fleet.Catalogue) *table {
	t := &table{header: []string{"NAME", "MAKER", "ARCH", "SOCKET", "CORES", "VCPU", "IDLE_W", "FULL_W", "PRICE_YUAN", "TRUST", "POWER_TRUST"}}
	for i := range c.CPUs {
		a := &c.CPUs[i]
		lines := a.Lines()
		t.add(a.Name, a.Maker, a.Arch, a.Socket, strconv.Itoa(a.Cores), strconv.Itoa(a.Cores*a.Threads), watts(a.Idle), watts(a.Full), yuan(a.Price.Value),
			fleet.Trust(lines, "cores", "threads").String(), fleet.Trust(lines, "idle", "full").String())
	}
	return t
}

func skuTable(c *fleet.Catalogue) *table {
	t := &table{header: []string{"NAME", "CPU", "ACCELERATOR", "VCPU", "MEMORY", "CHASSIS", "IDLE_W", "FULL_W", "PRICE_YUAN", "POWER_TRUST"}}
	for i := range c.SKUs {
		s := &c.SKUs[i]
		n, err := c.Node(s)
		if err != nil {
			continue
		}
		idle, full, price := "", "", ""
		if d, err := c.SKUDraw(s); err == nil {
			idle, full = number(float64(int(d.Idle()+0.5))), number(float64(int(d.Full()+0.5)))
		}
		if q, err := c.Compose(*s, fleet.Terms{}); err == nil {
			price = yuan(q.Price)
		}
		t.add(s.Name, s.CPU.String(), s.Accelerator.String(), n.CPU.String(), n.Memory.String(), s.Chassis, idle, full, price, c.PowerTrust(s).String())
	}
	return t
}

func chassisTable(c *fleet.Catalogue) *table {
	t := &table{header: []string{"NAME", "MAKER", "UNITS", "SOCKETS", "SOCKET", "MEMORY_SLOTS", "ACCELERATORS", "FORM", "CARDS", "DISKS", "SUPPLIES", "IDLE_W", "FULL_W", "PRICE_YUAN"}}
	for i := range c.Chassis {
		f := &c.Chassis[i]
		t.add(f.Name, f.Maker, count(f.Height), count(f.Sockets), f.Socket, count(f.MemorySlots), count(f.AcceleratorSlots), f.AcceleratorForm,
			count(f.CardSlots), count(f.DiskBays), count(f.SupplyBays), watts(f.Idle), watts(f.Full), yuan(f.Price.Value))
	}
	return t
}

func partTable(c *fleet.Catalogue) *table {
	t := &table{header: []string{"NAME", "KIND", "SIZE", "GB/S", "RATED_W", "IDLE_W", "FULL_W", "PRICE_YUAN", "POWER_TRUST"}}
	for i := range c.Parts {
		a := &c.Parts[i]
		size := ""
		if a.Size > 0 {
			size = a.Size.String()
		}
		t.add(a.Name, a.Kind, size, number(float64(a.Bandwidth.Value)), watts(a.Rated), watts(a.Idle), watts(a.Full), yuan(a.Price.Value), fleet.Trust(a.Lines(), "idle", "full", "rated").String())
	}
	return t
}

func (p *program) catalogueShow(world *string) *cobra.Command {
	return &cobra.Command{
		Use:     "show NAME",
		Short:   "Show every figure of one piece of hardware with its source and confidence",
		Example: "  tianfu catalogue show A100\n  tianfu catalogue show a100-8 -o yaml",
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			c, _, err := catalogueOf(*world)
			if err != nil {
				return err
			}
			entry, lines := lookUp(c, args[0])
			if entry == nil {
				return fault.New(fault.NotFound, "", fmt.Sprintf("the catalogue knows nothing of the name %q", args[0]), `see "tianfu catalogue list"`)
			}
			t := &table{header: []string{"FIGURE", "VALUE", "CONFIDENCE", "SOURCE"}}
			for _, l := range lines {
				t.add(l.Name, l.Value, l.Confidence, l.Source)
			}
			return p.print(entry, t)
		},
	}
}

// lookUp finds a name among all kinds of entries.
func lookUp(c *fleet.Catalogue, name string) (any, []fleet.Line) {
	if a := c.Accelerator(fleet.Model(name)); a != nil {
		return a, a.Lines()
	}
	if a := c.CPU(name); a != nil {
		return a, a.Lines()
	}
	if a := c.SKU(name); a != nil {
		return a, a.Lines()
	}
	if a := c.ChassisNamed(name); a != nil {
		return a, a.Lines()
	}
	if a := c.Part(name); a != nil {
		return a, a.Lines()
	}
	return nil, nil
}

func number(f float64) string {
	if f == 0 {
		return ""
	}
	return strconv.FormatFloat(f, 'f', -1, 64)
}

func count(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

func watts(f fleet.Figure[unit.Watts]) string {
	if !f.Known() {
		return ""
	}
	return strconv.FormatFloat(float64(f.Value), 'f', -1, 64)
}

func yuan(y unit.Yuan) string { return strconv.FormatFloat(float64(y), 'f', 0, 64) }
