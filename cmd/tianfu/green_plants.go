package main

import (
	"github.com/spf13/cobra"

	"tianfu/energy"
)

func (p *program) greenPlants() *cobra.Command {
	return &cobra.Command{
		Use:   "plants [NAME|FILE]",
		Short: "List the built-in plants with their parameters",
		Long: "Plants prints every parameter of every built-in plant, or of one plant or plant\n" +
			"file. The names are those of a plant file and end with their units.",
		Example: "  tianfu green plants\n  tianfu green plants cold-plate -o json",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			names := energy.PlantNames()
			if len(args) == 1 {
				names = args
			}
			doc := []plantDocument{}
			t := &table{header: []string{"PLANT", "KIND", "PARAMETER", "VALUE"}}
			for _, name := range names {
				plant, err := readPlant(name, "")
				if err != nil {
					return err
				}
				doc = append(doc, plantDocument{plant.Name, plant.Source, plant.Kind, plant.AsPublished, plant.Figures()})
				for _, f := range plant.Figures() {
					t.add(plant.Name, string(plant.Kind), f.Key, shortest(f.Value))
				}
			}
			return p.print(doc, t)
		},
	}
}

type plantDocument struct {
	Name        string               `json:"name"`
	Source      string               `json:"source"`
	Kind        energy.PlantKind     `json:"kind"`
	AsPublished bool                 `json:"as_published"`
	Parameters  []energy.PlantFigure `json:"parameters"`
}
