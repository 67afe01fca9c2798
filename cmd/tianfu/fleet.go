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
	f := &importFlags{}
	c := &cobra.Command{
		Use:   "import --from scontrol|kubectl|netbox FILE",
		Short: "Turn another system's list of nodes into a world file",
		Long: `Turn another system's list of nodes into a world file, printed on standard output and checked on the way.
What could not be taken over is noted on standard error.

  --from scontrol   the output of: scontrol show node (in blocks, or -o with one line a node)
  --from kubectl    the output of: kubectl get nodes -o json
  --from netbox     a CSV export of devices; device types are SKUs of the catalogue, or mapped with --sku

An accelerator that the catalogue does not know is declared without figures and noted: fill
them in under catalogue: in the world file, or say with --model which known one it is.`,
		Example: `  scontrol show node > nodes.txt
  tianfu fleet import --from scontrol nodes.txt > world.yaml
  tianfu check world.yaml
  kubectl get nodes -o json | tianfu fleet import --from kubectl /dev/stdin > world.yaml
  tianfu fleet import --from netbox --sku 'PowerEdge XE9680=h100-8' devices.csv > world.yaml
  tianfu fleet import --from scontrol --model 'ascend=Ascend-910B' nodes.txt > world.yaml`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			text, w, notes, err := f.run(args[0])
			if err != nil {
				return err
			}
			for _, n := range notes {
				fmt.Fprintln(p.err, "note:", n)
			}
			if p.format == "json" {
				return p.print(w, nil)
			}
			_, err = p.out.Write(text)
			return err
		},
	}
	fl := c.Flags()
	fl.StringVar(&f.from, "from", "", "what the file is: scontrol, kubectl or netbox")
	fl.StringVar(&f.zone, "time-zone", "Asia/Shanghai", "IANA time zone of the sites")
	fl.StringVar(&f.name, "name", "", "name of the centre (default: what it came from)")
	fl.StringArrayVar(&f.skus, "sku", nil, "map a device type to a SKU, as 'TYPE=SKU'; may be repeated (netbox)")
	fl.StringArrayVar(&f.models, "model", nil, "map an accelerator as the source spells it to one of the catalogue, as 'SPELLING=NAME'; may be repeated (scontrol, kubectl)")
	return only(c, "yaml", "json")
}

type importFlags struct {
	from, zone, name string
	skus, models     []string
}

// run returns the world file as text and read, and what could not be taken
// over.
func (f *importFlags) run(file string) ([]byte, *fleet.World, []string, error) {
	cat, err := fleet.BuiltIn()
	if err != nil {
		return nil, nil, nil, err
	}
	im, err := f.read(file, cat)
	if err != nil {
		return nil, nil, nil, err
	}
	if im.Models, err = f.modelMap(cat); err != nil {
		return nil, nil, nil, err
	}
	if f.name != "" {
		im.Name = f.name
	}
	if !fleet.KnownZone(f.zone) {
		return nil, nil, nil, fault.New(fault.Invalid, "--time-zone", fmt.Sprintf("%q is an unknown time zone", f.zone), "use an IANA name like Asia/Shanghai")
	}
	text, err := im.World(cat, f.zone)
	if err != nil {
		return nil, nil, nil, err
	}
	// What is printed must be accepted.
	w, warnings, err := fleet.ParseWorld("the world made of "+file, text)
	if err != nil {
		return nil, nil, nil, err
	}
	for _, w := range warnings {
		im.Notes = append(im.Notes, w.String())
	}
	return text, w, im.Notes, nil
}

func (f *importFlags) read(file string, cat *fleet.Catalogue) (*fleet.Import, error) {
	types, err := pairs("--sku", f.skus, "PowerEdge XE9680=h100-8")
	if err != nil {
		return nil, err
	}
	if f.from != "scontrol" && f.from != "kubectl" && f.from != "netbox" {
		return nil, fault.New(fault.Invalid, "--from", fmt.Sprintf("%q is not a source", f.from), "use scontrol, kubectl or netbox")
	}
	data, err := readBounded(file, fleet.MaxImportBytes)
	if err != nil {
		return nil, err
	}
	switch f.from {
	case "scontrol":
		return fleet.ImportSlurm(file, data)
	case "kubectl":
		return fleet.ImportKubernetes(file, data)
	}
	return fleet.ImportNetBox(file, data, cat, types)
}

func (f *importFlags) modelMap(cat *fleet.Catalogue) (map[string]fleet.Model, error) {
	named, err := pairs("--model", f.models, "ascend=Ascend-910B")
	if err != nil {
		return nil, err
	}
	out := make(map[string]fleet.Model, len(named))
	for from, to := range named {
		a := cat.Accelerator(fleet.Model(to))
		if a == nil {
			return nil, fault.New(fault.Invalid, "--model", fmt.Sprintf("the catalogue knows no accelerator %q", to), "see: tianfu catalogue list")
		}
		out[from] = a.Name
	}
	return out, nil
}

// pairs reads flags of the form A=B.
func pairs(flag string, values []string, example string) (map[string]string, error) {
	out := make(map[string]string, len(values))
	for _, v := range values {
		from, to, ok := strings.Cut(v, "=")
		if !ok || from == "" || to == "" {
			return nil, fault.New(fault.Invalid, flag, fmt.Sprintf("%q maps nothing", v), "write "+flag+" '"+example+"'")
		}
		out[from] = to
	}
	return out, nil
}
