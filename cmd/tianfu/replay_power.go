package main

import (
	"cmp"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tianfu/control"
	"tianfu/energy"
	"tianfu/fault"
	"tianfu/fleet"
	"tianfu/sched"
	"tianfu/sim"
	"tianfu/unit"
)

// powerFlags limit power in a replay.
type powerFlags struct {
	caps     []string
	limit    string
	overhead float64
	protect  int32
	tiers    bool
	solar    []string // FILE, FILE:COLUMN or SITE=FILE[:COLUMN]
}

func (f *powerFlags) register(c *cobra.Command) {
	fl := c.Flags()
	fl.StringArrayVar(&f.caps, "cap", nil, `cap on power (time), such as "site=openb 70% from=24h for=6d"; may be given again`)
	fl.StringVar(&f.limit, "power-limit", "", "limit of the site that a fleet without places stands at (time; default: what it draws at full load)")
	fl.Float64Var(&f.overhead, "overhead", 1.25, "facility power over IT power of that site (time)")
	fl.Int32Var(&f.protect, "protect", worldProtect, "priority from which work is never shed for power (time; default: what the world says, else 100)")
	fl.Lookup("protect").DefValue = "0" // its words say the default
	fl.StringArrayVar(&f.solar, "solar", nil, "power that is made on a site: CSV series as FILE or FILE:column, of one of several sites SITE=FILE (time; needs a limit of power, and a date as --carbon and --tariff have); may be given again")
	fl.BoolVar(&f.tiers, "tiers", false, "take priorities from the QoS column of the tasks: LS and Guaranteed 100, Burstable 50, BE 0; the last two may be suspended (time)")
}

// worldProtect stands for a priority that was not given.
const worldProtect = math.MinInt32

// limitPower gives a replay the budgets and the power tree of its world, or of one site around
// a fleet without places, with the caps of the command.
func (f *replayFlags) limitPower(p *sim.TimedParams) error {
	x := &f.limits
	if f.world != "" && f.copies == 1 {
		if err := f.worldLimits(p); err != nil {
			return err
		}
	}
	declared := p.Tree
	if p.Tree == nil && len(x.caps) == 0 && x.limit == "" {
		if len(x.solar) > 0 {
			return fault.New(fault.Invalid, "--solar", "would have no effect: nothing limits what a site draws", "add --power-limit or --cap, or limits to the world file")
		}
		return nil
	}
	if p.Power == nil {
		return fault.New(fault.Invalid, "--power", "is none, and limits of power need a model", "use pwr-ccgrid25 or catalogue, and a fleet whose devices it knows")
	}
	begin := firstSubmit(p.Workload)
	var caps []sched.CapEvent
	for _, text := range x.caps {
		k, err := sched.ParseCap(text, begin)
		if err != nil {
			return err
		}
		caps = append(caps, k)
	}
	if p.Tree == nil {
		name := "site"
		if len(caps) > 0 {
			name, _, _ = strings.Cut(caps[0].Area, "/")
		}
		if len(p.Fleet.Nodes) > 0 {
			name = cmp.Or(p.Fleet.Nodes[0].Place.Site, name)
		}
		var err error
		if p.Tree, err = x.oneSite(p.Fleet, p.Power, name); err != nil {
			return err
		}
	}
	if x.protect != worldProtect {
		p.Tree.Protect = x.protect
	} else if declared == nil || declared.Protect == sched.NoProtect {
		p.Tree.Protect = 100
	}
	for i := range caps {
		at := -1
		for a := range p.Tree.Areas {
			if p.Tree.Areas[a].Path == caps[i].Area {
				at = a
			}
		}
		if at < 0 {
			return fault.New(fault.Invalid, "--cap", "there is no area "+caps[i].Area, "name a site of the world, or one name for a fleet without places")
		}
		if err := control.CheckCap(&caps[i], &p.Tree.Areas[at], idleAt(p, at)); err != nil {
			return err
		}
		p.Tree.Caps = append(p.Tree.Caps, caps[i])
	}
	return x.makeSolar(p, begin)
}

// worldLimits gives a replay the budgets and the power tree of its world.
func (f *replayFlags) worldLimits(p *sim.TimedParams) error {
	w, _, err := parseWorldFile(f.world)
	if err != nil {
		return err
	}
	if f.limits.limit != "" {
		return fault.New(fault.Invalid, "--power-limit", "is of a fleet without places, and the limits of "+f.world+" are its own", "change power: in the world file")
	}
	if p.Tree = sched.PowerOf(w); p.Tree == nil && len(f.limits.caps) > 0 {
		p.Tree = sched.AreasOf(w)
	}
	if p.DayBudgets, err = sched.BudgetsOf(w, time.LoadLocation); err != nil {
		return err
	}
	if len(p.DayBudgets) > 0 && p.Power == nil {
		return fault.New(fault.Invalid, f.world, "declares a budget of energy or carbon, and no power model of the nodes is known", "use --power catalogue, and a fleet whose devices it knows")
	}
	if len(w.Sites) > 0 {
		if l, err := time.LoadLocation(w.Sites[0].TimeZone); err == nil {
			p.Zone = fleet.ZoneOf(w.Sites[0].TimeZone, l)
		}
	}
	return nil
}

func firstSubmit(w *sim.Workload) unit.Instant {
	first := unit.Never
	for i := range w.Jobs {
		if w.Jobs[i].Run >= 0 {
			first = min(first, w.Jobs[i].Submit)
		}
	}
	return first
}

// idleAt returns what the nodes in an area draw with nothing running.
func idleAt(p *sim.TimedParams, area int) int64 {
	sum := int64(0)
	for i := range p.Fleet.Nodes {
		n := &p.Fleet.Nodes[i]
		if path := n.Place.Path() + "/" + string(n.ID); strings.HasPrefix(path, p.Tree.Areas[area].Path+"/") || path == p.Tree.Areas[area].Path {
			sum += sched.Milliwatts(p.Power[i].IdleWatts(len(n.Devices)))
		}
	}
	return sum
}

// oneSite puts a fleet of one site, or without places, at one site with one limit.
func (f *powerFlags) oneSite(fl *fleet.Fleet, models []energy.NodeModel, name string) (*sched.Power, error) {
	if !(f.overhead >= 1 && f.overhead <= 20) {
		return nil, fault.New(fault.Invalid, "--overhead", fmt.Sprint(f.overhead)+" is out of range", "facility power over IT power, from 1 to 20")
	}
	full := unit.Watts(0)
	if n := len(fl.Sites()); n > 1 {
		return nil, fault.New(fault.Invalid, "--cap", fmt.Sprintf("the fleet stands at %d sites, and none says what it may draw", n), "describe them in a world file: --world")
	}
	for i := range fl.Nodes {
		if fl.Nodes[i].Place.Site == "" {
			fl.Nodes[i].Place = fleet.Place{Site: name}
		}
		full += models[i].FullWatts(len(fl.Nodes[i].Devices))
	}
	limit := unit.Watts(float64(full) * f.overhead)
	if f.limit != "" {
		var err error
		if limit, err = unit.ParseWatts(f.limit); err != nil {
			return nil, fault.Wrap(err, "--power-limit", "read")
		}
	}
	return &sched.Power{CapLatency: sched.DefaultCapLatency, Grace: sched.DefaultGrace, Areas: []sched.PowerArea{{
		Path: name, Level: "site", Parent: -1, Limit: sched.Milliwatts(limit), Warn: sched.DefaultWarn, Resume: sched.DefaultResume,
		Overhead: int64(f.overhead * sched.Million),
	}}}, nil
}

// powerDocument is what a replay says of power.
type powerDocument struct {
	Limits           []limitDocument `json:"limits"`
	Sheds            []shedDocument  `json:"sheds"`
	LongestComply    float64         `json:"longest_time_to_comply_s"`
	OverAfterComply  float64         `json:"over_limit_after_compliance_s"`
	OverProtected    float64         `json:"over_limit_by_protected_work_alone_s"`
	Capped           int             `json:"node_caps"`
	Suspended        int             `json:"tasks_suspended"`
	Resumed          int             `json:"tasks_resumed"`
	Evicted          int             `json:"tasks_evicted"`
	ProtectedShed    int             `json:"tier1_tasks_shed"`
	ProtectedRunning int             `json:"tier1_tasks_running_at_first_shed"`
	ProtectedDevices float64         `json:"tier1_accelerators_at_first_shed"`
	Tiers            []tierDocument  `json:"tiers"`
}

type limitDocument struct {
	Hours  float64 `json:"at_h"`
	Area   string  `json:"area"`
	Limit  float64 `json:"limit_kw"`
	Before float64 `json:"facility_draw_before_kw"`
}

type shedDocument struct {
	Hours     float64 `json:"at_h"`
	Area      string  `json:"area"`
	Over      float64 `json:"it_over_kw"`
	ByCap     float64 `json:"by_caps_kw"`
	Capped    int32   `json:"nodes_capped"`
	Suspended int32   `json:"jobs_suspended"`
	Evicted   int32   `json:"jobs_evicted"`
	Comply    float64 `json:"time_to_comply_s"`
	Short     float64 `json:"still_over_kw"`
}

type tierDocument struct {
	Priority int32   `json:"priority"`
	Jobs     int     `json:"jobs"`
	Finished int     `json:"finished"`
	MeanWait float64 `json:"mean_wait_s"`
	Stretch  float64 `json:"mean_time_held_over_run_time"`
}

// power fills in what a run saw of power; nil when it was not limited.
func (r *timedRun) power(tree *sched.Power) *powerDocument {
	o := r.timed.Shedding
	if o == nil {
		return nil
	}
	start := r.timed.Totals.Start
	hours := func(at unit.Instant) float64 { return round(at.Sub(start).Hours(), 4) }
	kw := func(milliwatts int64) float64 { return round(float64(milliwatts)/1e6, 3) }
	d := &powerDocument{OverAfterComply: round(o.Over.Seconds(), 3), OverProtected: round(o.OverProtected.Seconds(), 3), Capped: o.Capped, Suspended: o.Suspended, Resumed: o.Resumed, Evicted: o.Evicted,
		ProtectedShed: o.ProtectedShed, ProtectedRunning: o.ProtectedRunning, ProtectedDevices: round(float64(o.ProtectedMilli)/1000, 2)}
	for _, x := range o.Limits {
		d.Limits = append(d.Limits, limitDocument{hours(x.At), tree.Areas[x.Area].Path, kw(x.Limit), kw(x.DrawBefore)})
	}
	for i := range o.Sheds {
		x := &o.Sheds[i]
		comply := round(x.Comply(r.timed.Totals.End).Seconds(), 3)
		d.LongestComply = max(d.LongestComply, comply)
		d.Sheds = append(d.Sheds, shedDocument{hours(x.At), tree.Areas[x.Area].Path, kw(x.Over), kw(x.ByCap), x.Capped, x.Suspended, x.Evicted, comply, kw(x.Short)})
	}
	for _, t := range r.timed.Tiers() {
		d.Tiers = append(d.Tiers, tierDocument{t.Priority, t.Jobs, t.Finished, round(t.MeanWait.Seconds(), 1), round(t.Stretch, 4)})
	}
	return d
}

func powerTable(runs []timedRun) string {
	var b strings.Builder
	for i := range runs {
		d := runs[i].Limits
		if d == nil {
			continue
		}
		if len(d.Sheds) == 0 {
			fmt.Fprintf(&b, "%s: nothing drew more than its limit, so nothing was shed\n", runs[i].Policy)
			continue
		}
		fmt.Fprintf(&b, "%s: power shed %d times, longest time to comply %s, over the limit beyond what was stated %s, and %s by protected work alone; %d node caps, %d tasks suspended, %d evicted; tier 1: %d tasks ran at the first shedding, %d were shed\n",
			runs[i].Policy, len(d.Sheds), time.Duration(d.LongestComply*float64(time.Second)), time.Duration(d.OverAfterComply*float64(time.Second)), time.Duration(d.OverProtected*float64(time.Second)), d.Capped, d.Suspended, d.Evicted, d.ProtectedRunning, d.ProtectedShed)
	}
	return strings.TrimSuffix(b.String(), "\n")
}
