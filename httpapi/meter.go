package httpapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"tianfu/live"
	"tianfu/unit"
)

// Meters are the instruments of a centre and what they add up to.
type Meters struct {
	Meters []Meter `json:"meters"`
	Areas  []Area  `json:"areas" doc:"Where a rack, hall or site has a meter of its own: the sum of its nodes against it, by interval of the ledger."`
}

// Meter is an instrument as people see it.
type Meter struct {
	Name     string  `json:"name"`
	Kind     string  `json:"kind" example:"modbus"`
	Level    string  `json:"level" doc:"What it sees: node, rack, row, hall, building or site."`
	Covers   string  `json:"covers" doc:"A node's name, or the path of an area."`
	Every    string  `json:"every" example:"5s"`
	State    string  `json:"state" enum:"reading,partial,lost,broken" doc:"partial: some channels cannot be read; broken: the declaration cannot be used."`
	Since    string  `json:"since,omitempty" doc:"When it was lost or found again."`
	LastRead string  `json:"last_read,omitempty"`
	Error    string  `json:"error,omitempty"`
	Channels int     `json:"channels"`
	Reads    uint64  `json:"reads"`
	Failures uint64  `json:"failures"`
	Solar    bool    `json:"solar,omitempty" doc:"It sees what its site makes, not what is drawn."`
	Counts   bool    `json:"counts" doc:"The ledger, or of what is made the limit of its site, believes it; otherwise it sees a part of what another sees, or is only compared."`
	Joules   float64 `json:"joules" doc:"Sum over its channels since the centre was started."`
	Watts    float64 `json:"watts" doc:"Of the newest readings."`
	Quality  string  `json:"quality,omitempty" doc:"Of the newest readings, the worst: measured, bridged, estimated or missing."`
}

// Area is an area's meter held against its nodes.
type Area struct {
	Area               string  `json:"area"`
	Level              string  `json:"level"`
	From               string  `json:"from,omitempty" doc:"The newest interval that both know; empty before the first."`
	To                 string  `json:"to,omitempty"`
	MeasuredJoules     float64 `json:"measured_joules" doc:"By the area's meter."`
	AccountedJoules    float64 `json:"accounted_joules" doc:"By the ledger: its nodes, and of a site the overhead too."`
	UnexplainedJoules  float64 `json:"unexplained_joules" doc:"Measured less accounted: losses, fans, what nobody declared; below 0 where the nodes claim more than the meter saw."`
	UnexplainedPercent float64 `json:"unexplained_percent" doc:"Of what was measured."`
	MeasuredNodes      int     `json:"measured_nodes" doc:"Nodes whose energy a meter told; the others are modelled."`
	Nodes              int     `json:"nodes"`
	MeasuredTotal      float64 `json:"measured_joules_total"`
	AccountedTotal     float64 `json:"accounted_joules_total"`
}

type metersOutput struct{ Body Meters }

func (s *Server) routeMeters() {
	huma.Register(s.api, huma.Operation{
		OperationID: "list-meters", Method: http.MethodGet, Path: "/v1/meters", Summary: "Meters, and what they add up to", Tags: []string{"energy"},
		Description: "Every declared meter with its state, and for every area with a meter of its own the sum of its nodes against it. Operators and auditors only.",
	}, func(context.Context, *struct{}) (*metersOutput, error) {
		out := Meters{Meters: []Meter{}, Areas: []Area{}}
		for _, m := range s.centre.Meters() {
			out.Meters = append(out.Meters, meterOf(&m))
		}
		for _, a := range s.centre.Areas() {
			out.Areas = append(out.Areas, areaOf(&a))
		}
		return &metersOutput{out}, nil
	})
}

func joules(e unit.Millijoules) float64 { return float64(e) / 1000 }

func meterOf(m *live.MeterState) Meter {
	out := Meter{
		Name: m.Meter, Kind: m.Kind, Level: string(m.Covers.Level), Covers: m.Covers.Path, Every: m.Every.String(), State: m.Condition(),
		Since: instant(m.Since), LastRead: instant(m.LastRead), Error: m.Error, Channels: m.Channels, Reads: m.Reads, Failures: m.Failures,
		Solar: m.Solar, Counts: m.Counts, Watts: float64(m.Power), Quality: string(m.Quality),
	}
	for _, e := range m.Energy {
		out.Joules += joules(e)
	}
	return out
}

func areaOf(a *live.AreaState) Area {
	out := Area{
		Area: a.Area, Level: string(a.Level), From: instant(a.From), To: instant(a.To),
		MeasuredJoules: joules(a.Measured), AccountedJoules: joules(a.Accounted), UnexplainedJoules: joules(a.Unexplained()),
		MeasuredNodes: a.MeasuredNodes, Nodes: a.Nodes, MeasuredTotal: joules(a.MeasuredTotal), AccountedTotal: joules(a.AccountedTotal),
	}
	if a.Measured > 0 {
		out.UnexplainedPercent = 100 * float64(a.Unexplained()) / float64(a.Measured)
	}
	return out
}

// Meters returns the meters of the centre.
func (c *Client) Meters(ctx context.Context) (*Meters, error) {
	out := &Meters{}
	return out, c.call(ctx, request{method: http.MethodGet, path: "/v1/meters"}, out)
}
