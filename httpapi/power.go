package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/prometheus/client_golang/prometheus"

	"tianfu/control"
	"tianfu/unit"
)

// PowerArea is an area of the power tree as the API shows it, in watts. A
// site's limit is for facility power, every other limit for IT power.
type PowerArea struct {
	Area      string  `json:"area"`
	Level     string  `json:"level"`
	Nodes     int32   `json:"nodes"`
	Limit     float64 `json:"limit_watts,omitempty" doc:"Configured; none when left out"`
	InForce   float64 `json:"limit_in_force_watts,omitempty"`
	Overhead  float64 `json:"overhead" doc:"Facility power over IT power, of this hour"`
	Draw      float64 `json:"it_draw_watts" doc:"Of its nodes now, by their models"`
	Facility  float64 `json:"facility_draw_watts"`
	Headroom  float64 `json:"headroom_watts,omitempty" doc:"IT power that new work may still add"`
	Band      string  `json:"band" enum:"ok,warning,held,over"`
	Capped    int32   `json:"nodes_capped,omitempty" doc:"For its sake"`
	Suspended int32   `json:"tasks_suspended,omitempty" doc:"For its sake"`
	Solar     float64 `json:"solar_watts,omitempty"`
	Battery   float64 `json:"battery_watts,omitempty" doc:"What it gives; below 0 what it takes"`
	Charge    float64 `json:"battery_kwh,omitempty"`
	ComplyBy  string  `json:"complied_by,omitempty" doc:"When the latest shedding is complied with"`
}

// PowerShed is what was done when an area drew more than it may.
type PowerShed struct {
	Area      string  `json:"area"`
	At        string  `json:"at"`
	Over      float64 `json:"over_watts"`
	ByCap     float64 `json:"by_caps_watts" doc:"What caps on nodes alone bring"`
	Capped    int32   `json:"nodes_capped"`
	Suspended int32   `json:"jobs_suspended"`
	Evicted   int32   `json:"jobs_evicted"`
	Comply    float64 `json:"time_to_comply_seconds"`
	Short     float64 `json:"still_over_watts,omitempty" doc:"Although all that may be shed was"`
}

// Cap is a cap on an area as the API shows it.
type Cap struct {
	ID    int32  `json:"id"`
	Area  string `json:"area"`
	Limit string `json:"limit"`
	From  string `json:"from"`
	To    string `json:"to,omitempty"`
	Every string `json:"every,omitempty"`
	Until string `json:"until,omitempty"`
}

// CapNow is a cap in force on an area, as whoever waits for it is told: which, from
// when to when, and how the area stands.
type CapNow struct {
	ID     int32   `json:"id"`
	Area   string  `json:"area"`
	Level  string  `json:"level" doc:"Of the area in the power tree, such as site or rack"`
	Limit  string  `json:"limit" doc:"As it was set"`
	Watts  float64 `json:"limit_watts" doc:"Of a site facility power, otherwise IT power"`
	Draw   float64 `json:"draw_watts" doc:"Of the area now, counted as the limit is"`
	From   string  `json:"from" format:"date-time"`
	To     string  `json:"to,omitempty" format:"date-time" doc:"Left out: until it is cleared"`
	Repeat string  `json:"every,omitempty" doc:"From one window to the next"`
}

// capOn finds the cap in force on an area; nil = none.
func capOn(st *control.State, area int32) *CapNow {
	k, from, to, on := st.CapOn(area)
	if !on {
		return nil
	}
	a := st.Areas()[area]
	c := &CapNow{ID: k.ID, Area: a.Declared.Path, Level: a.Declared.Level, Limit: k.Amount(), Watts: inWatts(a.Facts.Limit), Draw: inWatts(a.Facility), From: instant(from), To: instant(to)}
	if k.Every > 0 {
		c.Repeat = k.Every.String()
	}
	return c
}

// String says the cap in words.
func (c *CapNow) String() string {
	text := fmt.Sprintf("cap %d holds the %s %s to %s", c.ID, c.Level, c.Area, c.Limit)
	if strings.HasSuffix(c.Limit, "%") {
		text += fmt.Sprintf(" (%.0f W)", c.Watts)
	}
	return fmt.Sprintf("%s from %s %s, and %.0f W are drawn", text, WholeSeconds(c.From), c.Until(), c.Draw)
}

// Until says in words until when the cap is in force.
func (c *CapNow) Until() string {
	if c.To == "" {
		return "until it is cleared"
	}
	return "to " + WholeSeconds(c.To)
}

// WholeSeconds cuts the fraction off an instant.
func WholeSeconds(at string) string {
	if t, err := time.Parse(time.RFC3339Nano, at); err == nil {
		return t.Format(time.RFC3339)
	}
	return at
}

// PowerTree is the power tree as it stands.
type PowerTree struct {
	Areas []PowerArea `json:"areas"`
	Caps  []Cap       `json:"caps"`
	Sheds []PowerShed `json:"sheds" doc:"The latest"`
}

type powerOutput struct{ Body PowerTree }

type setCapInput struct {
	Body struct {
		Cap string `json:"cap" minLength:"1" maxLength:"1024" doc:"Such as: site=jianzhou 70% from=24h for=6d" example:"site=jianzhou 70% for=6d"`
	}
}

type capOutput struct{ Body Cap }

type clearCapInput struct {
	ID int32 `path:"id" minimum:"1"`
}

func (s *Server) routePower() {
	errors := []int{401, 403, 404, 409, 422, 429, 503}
	huma.Register(s.api, huma.Operation{OperationID: "get-power", Method: http.MethodGet, Path: "/v1/power", Summary: "Show the power tree: limits, draws, caps, what is held back", Errors: errors}, s.getPower)
	huma.Register(s.api, huma.Operation{OperationID: "set-cap", Method: http.MethodPost, Path: "/v1/caps", Summary: "Lower what an area may draw for a time", DefaultStatus: 201,
		MaxBodyBytes: maxBody, Errors: errors}, s.setCap)
	huma.Register(s.api, huma.Operation{OperationID: "clear-cap", Method: http.MethodDelete, Path: "/v1/caps/{id}", Summary: "End a cap", DefaultStatus: 204, Errors: errors}, s.clearCap)
}

func inWatts(milli int64) float64 { return float64(milli) / 1000 }

func powerOf(st *control.State) PowerTree {
	out := PowerTree{Areas: []PowerArea{}, Caps: []Cap{}, Sheds: []PowerShed{}}
	areas := st.Areas()
	for i := range areas {
		a := &areas[i]
		x := PowerArea{Area: a.Declared.Path, Level: a.Declared.Level, Nodes: a.Nodes, Limit: inWatts(a.Declared.Limit), InForce: inWatts(a.Facts.Limit),
			Overhead: float64(a.Facts.Overhead) / 1e6, Draw: inWatts(a.Draw), Facility: inWatts(a.Facility), Band: a.Band.String(), Capped: a.Capped,
			Suspended: a.Stopped, Solar: inWatts(a.Facts.Solar), Battery: inWatts(a.Facts.Battery), Charge: float64(a.Charge.KWh()), ComplyBy: instant(a.ShedUntil)}
		if a.Facts.Limit > 0 {
			x.Headroom = inWatts(a.Headroom)
		}
		out.Areas = append(out.Areas, x)
	}
	for _, k := range st.Caps() {
		out.Caps = append(out.Caps, capOf(&k))
	}
	for _, f := range st.Sheds() {
		out.Sheds = append(out.Sheds, PowerShed{Area: areas[f.Area].Declared.Path, At: instant(f.At), Over: inWatts(f.Over), ByCap: inWatts(f.ByCap), Capped: f.Capped,
			Suspended: f.Suspended, Evicted: f.Evicted, Comply: f.By.Sub(f.At).Seconds(), Short: inWatts(f.Short)})
	}
	return out
}

func capOf(k *control.CapEvent) Cap {
	c := Cap{ID: k.ID, Area: k.Area, Limit: k.Amount(), From: instant(k.From), To: instant(k.To), Until: instant(k.Until)}
	if k.Every > 0 {
		c.Every = k.Every.String()
	}
	return c
}

func (s *Server) getPower(ctx context.Context, _ *struct{}) (*powerOutput, error) {
	out := &powerOutput{}
	err := s.centre.View(ctx, func(st *control.State) { out.Body = powerOf(st) })
	return out, problem(err)
}

func (s *Server) setCap(ctx context.Context, in *setCapInput) (*capOutput, error) {
	k, err := control.ParseCap(in.Body.Cap, unit.Instant(time.Now().UnixNano()))
	if err != nil {
		return nil, problem(err)
	}
	if k.ID, err = s.centre.SetCap(ctx, k); err != nil {
		return nil, problem(err)
	}
	return &capOutput{Body: capOf(&k)}, nil
}

func (s *Server) clearCap(ctx context.Context, in *clearCapInput) (*struct{}, error) {
	return nil, problem(s.centre.ClearCap(ctx, in.ID))
}

// powerDescs are the series of every area of the power tree.
var powerDescs = [...]*prometheus.Desc{
	prometheus.NewDesc("tianfu_power_limit_watts", "What an area may draw now: of a site facility power, else IT power.", []string{"area", "level"}, nil),
	prometheus.NewDesc("tianfu_power_draw_watts", "IT power of the nodes of an area, by their models.", []string{"area", "level"}, nil),
	prometheus.NewDesc("tianfu_power_headroom_watts", "IT power that new work may still add.", []string{"area", "level"}, nil),
	prometheus.NewDesc("tianfu_power_held_back", "Nodes capped and tasks suspended for the sake of an area.", []string{"area", "level"}, nil),
	prometheus.NewDesc("tianfu_power_time_to_comply_seconds", "Time to comply that the latest shedding of an area stated.", []string{"area", "level"}, nil),
	prometheus.NewDesc("tianfu_power_solar_watts", "What is made on a site.", []string{"area", "level"}, nil),
	prometheus.NewDesc("tianfu_power_battery_watts", "What the battery of a site gives; below 0 what it takes.", []string{"area", "level"}, nil),
	prometheus.NewDesc("tianfu_power_battery_charge_joules", "What the battery of a site holds.", []string{"area", "level"}, nil),
}

// sendPower sends the series of limited areas, and of what sites make and store.
func sendPower(gauge func(*prometheus.Desc, float64, ...string), st *control.State) {
	comply := map[int32]float64{}
	for _, f := range st.Sheds() {
		comply[f.Area] = f.By.Sub(f.At).Seconds()
	}
	for i, a := range st.Areas() {
		path, level := a.Declared.Path, a.Declared.Level
		if a.Declared.Parent < 0 && (a.Facts.Limit > 0 || a.Declared.Battery.Capacity > 0) {
			gauge(powerDescs[5], inWatts(a.Facts.Solar), path, level)
		}
		if a.Declared.Battery.Capacity > 0 {
			gauge(powerDescs[6], inWatts(a.Facts.Battery), path, level)
			gauge(powerDescs[7], inWatts(int64(a.Charge)), path, level) // millijoules
		}
		if a.Facts.Limit == 0 {
			continue
		}
		gauge(powerDescs[0], inWatts(a.Facts.Limit), path, level)
		gauge(powerDescs[1], inWatts(a.Draw), path, level)
		gauge(powerDescs[2], inWatts(a.Headroom), path, level)
		gauge(powerDescs[3], float64(a.Capped+a.Stopped), path, level)
		if by, shed := comply[int32(i)]; shed {
			gauge(powerDescs[4], by, path, level)
		}
	}
}

// Power returns the power tree as it stands.
func (c *Client) Power(ctx context.Context) (*PowerTree, error) {
	out := &PowerTree{}
	return out, c.call(ctx, request{method: http.MethodGet, path: "/v1/power"}, out)
}

// SetCap lowers what an area may draw, as control.ParseCap reads it.
func (c *Client) SetCap(ctx context.Context, text string) (*Cap, error) {
	out := &Cap{}
	return out, c.call(ctx, request{method: http.MethodPost, path: "/v1/caps", in: map[string]string{"cap": text}}, out)
}

// ClearCap ends a cap.
func (c *Client) ClearCap(ctx context.Context, id int32) error {
	return c.call(ctx, request{method: http.MethodDelete, path: "/v1/caps/" + strconv.Itoa(int(id))}, nil)
}
