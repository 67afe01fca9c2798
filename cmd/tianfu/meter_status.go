package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"tianfu/httpapi"
)

func (p *program) meterStatus() *cobra.Command {
	r := &remote{}
	areas := false
	c := &cobra.Command{
		Use:   "status",
		Short: "Show how the meters of a running centre are, and what they add up to",
		Long: `Status asks a running centre for its meters: which of them answer, what they have seen since the centre was
started, and which of them the ledger believes. With --areas it shows, for every rack, hall or site with a meter
of its own, the sum of its nodes against it in the newest interval, and what is left unexplained.`,
		Example: "  tianfu meter status\n  tianfu meter status --areas -o json",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			client, err := r.client()
			if err != nil {
				return err
			}
			m, err := client.Meters(c.Context())
			if err != nil {
				return err
			}
			if areas {
				return p.print(m.Areas, areaTable(m.Areas))
			}
			return p.print(m.Meters, stateTable(m.Meters))
		},
	}
	r.register(c)
	c.Flags().BoolVar(&areas, "areas", false, "sums of nodes against the meters of their areas")
	return c
}

func stateTable(meters []httpapi.Meter) *table {
	t := &table{header: []string{"METER", "KIND", "COVERS", "STATE", "COUNTS", "CHANNELS", "KWH", "WATTS", "QUALITY", "ERROR"}}
	for i := range meters {
		m := &meters[i]
		counts := "no"
		if m.Counts {
			counts = "yes"
		}
		covers := m.Level + " " + m.Covers
		if m.Solar {
			covers = "made at " + covers
		}
		t.add(m.Name, m.Kind, covers, m.State, counts, count(m.Channels), fixed(m.Joules/3.6e6, 6), fixed(m.Watts, 1), m.Quality, m.Error)
	}
	if len(meters) == 0 {
		t.foot = "no meters: energy is modelled; declare meters: in the world file"
	}
	return t
}

func areaTable(areas []httpapi.Area) *table {
	t := &table{header: []string{"AREA", "LEVEL", "TO", "MEASURED_J", "NODES_J", "UNEXPLAINED_J", "UNEXPLAINED_%", "METERED_NODES"}}
	for i := range areas {
		a := &areas[i]
		t.add(a.Area, a.Level, a.To, fixed(a.MeasuredJoules, 3), fixed(a.AccountedJoules, 3), fixed(a.UnexplainedJoules, 3), fixed(a.UnexplainedPercent, 2),
			fmt.Sprintf("%d of %d", a.MeasuredNodes, a.Nodes))
	}
	return t
}
