package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"tianfu/fault"
	"tianfu/fleet"
)

func (p *program) fleet() *cobra.Command {
	c := &cobra.Command{Use: "fleet", Short: "Take a fleet over from another system", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	c.AddCommand(p.fleetImport())
	return c
}

func (p *program) fleetImport() *cobra.Command {
	var from, zone, name string
	var skus []string
	c := &cobra.Command{
		Use:   "import FILE --from scontrol|kubectl|netbox",
		Short: "Turn another system's list of nodes into a world file",
		Long: `Turn another system's list of nodes into a world file, printed on standard output and checked on the way.
What could not be taken over is noted on standard error.

  --from scontrol   the output of: scontrol show node
  --from kubectl    the output of: kubectl get nodes -o json
  --from netbox     a CSV export of devices; device types are SKUs of the catalogue, or mapped with --sku`,
		Example: `  scontrol show node > nodes.txt && tianfu fleet import nodes.txt --from scontrol > world.yaml
  tianfu fleet import devices.csv --from netbox --sku 'PowerEdge XE9680=h100-8' > world.yaml`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			text, notes, err := importFleet(args[0], from, zone, name, skus)
			if err != nil {
				return err
			}
			for _, n := range notes {
				fmt.Fprintln(p.err, "note:", n)
			}
			_, err = p.out.Write(text)
			return err
		},
	}
	fl := c.Flags()
	fl.StringVar(&from, "from", "", "what the file is: scontrol, kubectl or netbox")
	fl.StringVar(&zone, "time-zone", "Asia/Shanghai", "IANA time zone of the sites")
	fl.StringVar(&name, "name", "", "name of the centre (default: what it came from)")
	fl.StringArrayVar(&skus, "sku", nil, "map a device type to a SKU, as 'TYPE=SKU'; may be repeated (netbox)")
	return c
}

// importFleet returns the world file and what could not be taken over.
func importFleet(file, from, zone, name string, skus []string) ([]byte, []string, error) {
	cat, err := fleet.BuiltIn()
	if err != nil {
		return nil, nil, err
	}
	types := map[string]string{}
	for _, s := range skus {
		typ, sku, ok := strings.Cut(s, "=")
		if !ok {
			return nil, nil, fault.New(fault.Invalid, "--sku", fmt.Sprintf("%q is not TYPE=SKU", s), "write --sku 'PowerEdge XE9680=h100-8'")
		}
		types[typ] = sku
	}
	if from != "scontrol" && from != "kubectl" && from != "netbox" {
		return nil, nil, fault.New(fault.Invalid, "--from", fmt.Sprintf("%q is not a source", from), "use scontrol, kubectl or netbox")
	}
	data, err := readBounded(file, fleet.MaxImportBytes)
	if err != nil {
		return nil, nil, err
	}
	if len(data) > fleet.MaxImportBytes {
		return nil, nil, fault.New(fault.Invalid, file, "is larger than 256 MiB", "import the centre in parts")
	}
	var im *fleet.Import
	switch from {
	case "scontrol":
		im, err = fleet.ImportSlurm(file, data)
	case "kubectl":
		im, err = fleet.ImportKubernetes(file, data)
	default:
		im, err = fleet.ImportNetBox(file, data, cat, types)
	}
	if err != nil {
		return nil, nil, err
	}
	if name != "" {
		im.Name = name
	}
	text, err := im.World(cat, zone)
	if err != nil {
		return nil, nil, err
	}
	// What is printed must be accepted: names with braces, unknown zones and
	// two nodes of one name are found here.
	_, warnings, err := fleet.ParseWorld("world made of "+file, text)
	if err != nil {
		return nil, nil, err
	}
	for _, w := range warnings {
		im.Notes = append(im.Notes, w.String())
	}
	return text, im.Notes, nil
}
