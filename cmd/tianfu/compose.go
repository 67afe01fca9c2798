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

// Terms used when neither a site nor a flag gives any.
const (
	assumedTariff = "0.6yuan/kWh"
	assumedCarbon = "0.1404kg/kWh" // Sichuan 2022, yearly average, announcement of 20 Dec 2024
)

type composeFlags struct {
	name, chassis, cpu, accelerator, memory, dimm, nic, disk, psu string
	parts, site, tariff, carbon, rackLimit                        string
	rackSlots                                                     int
}

func (p *program) catalogueCompose(world *string) *cobra.Command {
	f := &composeFlags{}
	c := &cobra.Command{
		Use:   "compose [SKU]",
		Short: "Compose a server from parts: does it fit, what does it cost, what does it cost to leave idle",
		Long: `Compose takes a server of the catalogue, a YAML file of parts, or nothing, changes
what the flags name, and checks slots, sockets, the power supply (with one to
spare) and the rack. Memory modules and supplies are chosen if none are named.

Prices are estimates for planning; each line says how far to trust it. Power is
at the plug and counts no cooling: multiply by the site's PUE.`,
		Example: `  tianfu catalogue compose --chassis 4u-8pcie-4189 --cpu Xeon-8369Bx2 --accelerator MLU370-X8x8 --memory 1TiB
  tianfu catalogue compose h20-8 --memory 1TiB --rack-limit 35kW --tariff 0.55yuan/kWh
  tianfu catalogue compose a100-8 --world examples/chengdu.yaml --site jianzhou`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			cat, w, err := catalogueOf(*world)
			if err != nil {
				return err
			}
			sku, err := f.sku(cat, args)
			if err != nil {
				return err
			}
			terms, err := f.terms(w)
			if err != nil {
				return err
			}
			q, err := cat.Compose(sku, terms)
			if err != nil {
				return err
			}
			return p.print(q, quoteTable(q))
		},
	}
	fs := c.Flags()
	fs.StringVar(&f.name, "name", "", "name of the new server")
	fs.StringVar(&f.chassis, "chassis", "", "chassis")
	fs.StringVar(&f.cpu, "cpu", "", "CPUs, NAMExN")
	fs.StringVar(&f.accelerator, "accelerator", "", "accelerators, NAMExN")
	fs.StringVar(&f.memory, "memory", "", "memory, like 1TiB")
	fs.StringVar(&f.dimm, "dimm", "", "memory modules, NAMExN, instead of --memory")
	fs.StringVar(&f.nic, "nic", "", "network cards, NAMExN")
	fs.StringVar(&f.disk, "disk", "", "disks, NAMExN")
	fs.StringVar(&f.psu, "psu", "", "power supplies, NAMExN")
	fs.StringVar(&f.parts, "parts", "", "read the parts from this YAML file")
	fs.StringVar(&f.site, "site", "", "take tariff and carbon from this site of --world")
	fs.StringVar(&f.tariff, "tariff", "", "price of power (assumed "+assumedTariff+")")
	fs.StringVar(&f.carbon, "carbon", "", "carbon intensity of the grid (assumed "+assumedCarbon+", Sichuan 2022)")
	fs.StringVar(&f.rackLimit, "rack-limit", "", "power limit of the rack, like 35kW")
	fs.IntVar(&f.rackSlots, "rack-slots", 42, "rack units of the rack; 0 = not checked")
	return c
}

// sku makes the server that arguments and flags describe.
func (f *composeFlags) sku(cat *fleet.Catalogue, args []string) (fleet.SKU, error) {
	s := fleet.SKU{Name: "custom"}
	if len(args) == 1 {
		known := cat.SKU(args[0])
		if known == nil {
			return s, fault.New(fault.NotFound, "", fmt.Sprintf("the catalogue knows no server %q", args[0]), `see "tianfu catalogue list skus"`)
		}
		s = *known
	}
	if f.parts != "" {
		data, err := readBounded(f.parts, 1<<20)
		if err == nil {
			s, err = cat.ParseSKU(f.parts, data)
		}
		if err != nil {
			return s, err
		}
	}
	for _, o := range []struct {
		flag, value string
		into        *fleet.Some
	}{{"--cpu", f.cpu, &s.CPU}, {"--accelerator", f.accelerator, &s.Accelerator}, {"--dimm", f.dimm, &s.DIMM}, {"--nic", f.nic, &s.NIC}, {"--disk", f.disk, &s.Disk}, {"--psu", f.psu, &s.PSU}} {
		if o.value == "" {
			continue
		}
		some, err := fleet.ParseSome(o.value)
		if err != nil {
			return s, fault.Wrap(err, o.flag, "read")
		}
		*o.into = some
		s.Idle, s.Full, s.Price = fleet.Figure[unit.Watts]{}, fleet.Figure[unit.Watts]{}, fleet.Figure[unit.Yuan]{} // no longer that box
	}
	if f.memory != "" {
		m, err := unit.ParseMiB(f.memory)
		if err != nil {
			return s, fault.Wrap(err, "--memory", "read")
		}
		s.Memory, s.DIMM = m, fleet.Some{}
	} else if f.dimm != "" {
		s.Memory = 0
	}
	if f.chassis != "" {
		s.Chassis = f.chassis
	}
	if f.name != "" {
		s.Name = f.name
	}
	if s.Chassis == "" || s.CPU.Name == "" {
		return s, fault.New(fault.Invalid, "", "a server needs a chassis and CPUs", "name a server of the catalogue, or give --chassis, --cpu and --memory")
	}
	return s, nil
}

// terms takes tariff and carbon from flags, else from the site, else assumed.
func (f *composeFlags) terms(w *fleet.World) (fleet.Terms, error) {
	t := fleet.Terms{RackSlots: f.rackSlots}
	tariff, carbon := f.tariff, f.carbon
	if f.site != "" {
		site, err := siteNamed(w, f.site)
		if err != nil {
			return t, err
		}
		if tariff == "" && site.Tariff > 0 {
			tariff = site.Tariff.String()
		}
		if carbon == "" && site.Carbon > 0 {
			carbon = site.Carbon.String()
		}
	}
	if tariff == "" {
		tariff = assumedTariff
	}
	if carbon == "" {
		carbon = assumedCarbon
	}
	var err error
	if t.Tariff, err = unit.ParseYuanPerKWh(tariff); err != nil {
		return t, fault.Wrap(err, "--tariff", "read")
	}
	if t.Carbon, err = unit.ParseKgPerKWh(carbon); err != nil {
		return t, fault.Wrap(err, "--carbon", "read")
	}
	if f.rackLimit != "" {
		if t.RackLimit, err = unit.ParseWatts(f.rackLimit); err != nil {
			return t, fault.Wrap(err, "--rack-limit", "read")
		}
	}
	return t, nil
}

func siteNamed(w *fleet.World, name string) (*fleet.Site, error) {
	if w == nil {
		return nil, fault.New(fault.Invalid, "--site", "needs a world file", "give --world FILE")
	}
	var names []string
	for i := range w.Sites {
		if w.Sites[i].Name == name {
			return &w.Sites[i], nil
		}
		names = append(names, w.Sites[i].Name)
	}
	return nil, fault.New(fault.NotFound, "--site", fmt.Sprintf("the world has no site %q", name), "it has "+strings.Join(names, ", "))
}

func quoteTable(q *fleet.Quote) *table {
	t := &table{header: []string{"ITEM", "COUNT", "EACH_YUAN", "TOTAL_YUAN", "IDLE_W", "FULL_W", "PRICE_TRUST", "PRICE_SOURCE"}}
	for _, i := range q.Items {
		t.add(i.Part, strconv.Itoa(i.Count), yuan(i.Each), yuan(i.Total), number(float64(i.Idle)), number(float64(i.Full)), i.Confidence.String(), i.Source)
	}
	t.add(q.SKU.Name+" at the plug", "1", "", yuan(q.Price), number(float64(q.Idle)), number(float64(q.Full)), q.Confidence.String(), "sum of the above; power with supply losses or as measured")
	t.add("capacity", "", "", "", "", "", "", q.VCPU.String()+" vCPU, "+q.Memory.String()+", "+strconv.Itoa(q.Height)+" rack units")
	if q.PerRack > 0 {
		t.add("in one rack", strconv.Itoa(q.PerRack), "", yuan(q.Price*unit.Yuan(q.PerRack)), "", "", "", "by height and by full power where a limit is given")
	}
	t.add("idle for a year", "", "", yuan(q.IdleYuanPerYear), "", "", "", fmt.Sprintf("%.0f kWh, %.0f kgCO2e, at %s and %s, before cooling",
		q.IdleKWhPerYear, q.IdleKgPerYear, q.Tariff, q.Carbon))
	return t
}
