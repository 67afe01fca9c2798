package main

import "github.com/spf13/cobra"

// green is the parent of everything about power, weather, carbon and price
// that needs no running centre.
func (p *program) green() *cobra.Command {
	c := &cobra.Command{
		Use:   "green",
		Short: "Facility, weather, carbon and price: what a kilowatt-hour costs and emits",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(p.greenSubcommands()...)
	return c
}

// greenSubcommands lists the commands below green, one file each.
func (p *program) greenSubcommands() []*cobra.Command {
	return []*cobra.Command{
		p.greenFactors(),
		p.greenForecast(),
		p.greenPlants(),
		p.greenProtocol(),
		p.greenPUE(),
		p.greenSignal(),
		p.greenTariff(),
	}
}
