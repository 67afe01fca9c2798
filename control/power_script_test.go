package control_test

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"tianfu/control"
	"tianfu/energy"
	"tianfu/meter"
	"tianfu/sched"
	"tianfu/unit"
)

func milliwatts(text string) (int64, error) {
	w, err := unit.ParseWatts(text)
	return int64(math.Round(float64(w) * 1000)), err
}

func scriptSeconds(text string) time.Duration {
	n, _ := strconv.Atoi(text)
	return time.Duration(n) * time.Second
}

// setPower declares what limits power in a script.
func setPower(cfg *control.Config, w []string) (err error) {
	if cfg.Tree == nil {
		cfg.Tree = &sched.Power{Protect: sched.NoProtect, CapLatency: 2 * time.Second, Grace: 30 * time.Second}
	}
	if w[0] == "power" {
		for _, kv := range w[1:] {
			switch k, v, _ := strings.Cut(kv, "="); k {
			case "protect":
				n, _ := strconv.Atoi(v)
				cfg.Tree.Protect = int32(n)
			case "sleep":
				z := &cfg.Tree.Sleep
				var after, latency, draw int64
				if _, err := fmt.Sscanf(v, "%d,%d,%d,%d", &after, &z.Reserve, &latency, &draw); err != nil {
					return err
				}
				z.After, z.Latency, z.Draw = time.Duration(after)*time.Second, time.Duration(latency)*time.Second, 1000*draw
			default:
				return fmt.Errorf("unknown key %s", k)
			}
		}
		return nil
	}
	a := sched.PowerArea{Path: w[1], Level: "site", Parent: -1, Overhead: sched.Million, Warn: sched.DefaultWarn, Resume: sched.DefaultResume}
	if i := strings.LastIndexByte(w[1], '/'); i >= 0 {
		a.Level = "rack"
		for k := range cfg.Tree.Areas {
			if cfg.Tree.Areas[k].Path == w[1][:i] {
				a.Parent = int32(k)
			}
		}
	}
	for _, kv := range w[2:] {
		k, v, _ := strings.Cut(kv, "=")
		part := func() int64 {
			f, _ := strconv.ParseFloat(v, 64)
			return int64(math.Round(f * sched.Million))
		}
		switch k {
		case "limit":
			a.Limit, err = milliwatts(v)
		case "reserve":
			a.Reserve, err = milliwatts(v)
		case "overhead":
			a.Overhead = part()
		case "warn":
			a.Warn = part()
		case "resume":
			a.Resume = part()
		case "battery":
			var wh, watts, charged int64
			_, err = fmt.Sscanf(v, "%d,%d,%d", &wh, &watts, &charged)
			a.Battery = sched.Battery{Capacity: unit.Millijoules(wh * 3_600_000), Power: watts * 1000, Efficiency: 900_000, Charge: unit.Millijoules(charged * 3_600_000)}
		default:
			err = fmt.Errorf("unknown key %s", k)
		}
		if err != nil {
			return err
		}
	}
	cfg.Tree.Areas = append(cfg.Tree.Areas, a)
	return nil
}

func powerInput(w []string) (control.Input, error) {
	var from, to int64
	switch w[0] {
	case "clear":
		n, err := strconv.Atoi(w[1])
		return control.Input{Kind: control.ClearCap, CapID: int32(n)}, err
	case "solar":
		mw, err := milliwatts(w[3])
		fmt.Sscanf(w[2], "%d-%d", &from, &to)
		return control.Input{Kind: control.Solar, Site: w[1], Solar: []control.SolarHour{{From: unit.At(from), To: unit.At(to), Milliwatts: mw}}}, err
	case "facility":
		fmt.Sscanf(w[2], "%d-%d", &from, &to)
		h := energy.SiteHour{From: unit.At(from), To: unit.At(to), CarbonLocation: energy.NoData, CarbonMarket: energy.NoData, CarbonMarginal: energy.NoData,
			Price: energy.NoData, PUE: energy.NoData, Water: energy.NoData}
		for _, kv := range w[3:] {
			k, v, _ := strings.Cut(kv, "=")
			f, _ := strconv.ParseFloat(v, 64)
			if k == "pue" {
				h.PUE = int64(math.Round(f * 1e6))
			} else {
				h.CarbonLocation = int64(f * 1000)
			}
		}
		return control.Input{Kind: control.SiteHours, Site: w[1], Hours: []energy.SiteHour{h}}, nil
	}
	k := &sched.CapEvent{Area: w[1], To: unit.Never}
	var err error
	if part, ok := strings.CutSuffix(w[2], "%"); ok {
		f, _ := strconv.ParseFloat(part, 64)
		k.Part = int64(math.Round(f * 1e4))
	} else {
		k.Limit, err = milliwatts(w[2])
	}
	for _, kv := range w[3:] {
		switch key, v, _ := strings.Cut(kv, "="); key {
		case "from":
			k.From = unit.Instant(scriptSeconds(v))
		case "for":
			k.To = k.From.Add(scriptSeconds(v))
		case "every":
			k.Every = scriptSeconds(v)
		case "until":
			k.Until = unit.Instant(scriptSeconds(v))
		default:
			return control.Input{}, fmt.Errorf("unknown key %s", key)
		}
	}
	return control.Input{Kind: control.SetCap, Cap: k}, err
}

// describePage tells the joules of an interval: idle and dynamic of each holder.
func (c *scriptCentre) describePage(b *strings.Builder, p *meter.Page) {
	for i := range p.Nodes {
		n := &p.Nodes[i]
		fmt.Fprintf(b, "metered %s from %s to %s, %s: %v J", c.fleet.Nodes[n.Node].ID, atSecond(p.From), atSecond(p.To), n.Basis, float64(n.IT())/1000)
		for k := range n.Parts {
			who, q := "idle line", &n.Parts[k]
			if q.Line == meter.TaskLine {
				who = c.name(q.Job)
			}
			fmt.Fprintf(b, "; %s %v idle, %v dynamic", who, float64(q.Idle)/1000, float64(q.Dynamic)/1000)
		}
		fmt.Fprintln(b)
	}
}

func inWatts(milli int64) string { return unit.Watts(float64(milli) / 1000).String() }

func (c *scriptCentre) describePower(b *strings.Builder, r *control.Record) {
	tree := c.state.PowerTree()
	switch r.Kind {
	case control.PowerTold:
		switch k := r.CapEvent; {
		case k == nil:
			fmt.Fprintf(b, "solar of %s is known\n", r.Site)
		case r.Device == 1:
			fmt.Fprintf(b, "cap %d on %s is cleared\n", k.ID, k.Area)
		default:
			fmt.Fprintf(b, "cap %d on %s from %s to %s\n", k.ID, k.Area, atSecond(k.From), atSecond(k.To))
		}
	case control.BudgetSet:
		x := r.Budget
		fmt.Fprintf(b, "%s may draw %s", tree.Areas[x.Area].Path, inWatts(x.Limit))
		if x.Overhead > sched.Million {
			fmt.Fprintf(b, " with overhead %.3f", float64(x.Overhead)/1e6)
		}
		if x.Solar > 0 {
			fmt.Fprintf(b, ", solar %s", inWatts(x.Solar))
		}
		if e := tree.Areas[x.Area].Battery; e.Capacity > 0 {
			word := "rests"
			if x.Battery > 0 {
				word = "gives " + inWatts(x.Battery)
			} else if x.Battery < 0 {
				word = "takes " + inWatts(-x.Battery)
			}
			fmt.Fprintf(b, ", battery of %.1f Wh %s", float64(x.Charge)/3.6e6, word)
		}
		fmt.Fprintln(b)
	case control.NodePowered:
		name := c.fleet.Nodes[r.Node].ID
		switch {
		case r.Share > 0:
			fmt.Fprintf(b, "%s is held to %d ‰ for %s: speed %d ‰\n", name, r.Share, tree.Areas[r.Device].Path, sched.SpeedAt(r.Share))
		case uint8(r.CPU) == sched.Waking:
			fmt.Fprintf(b, "%s wakes, ready at %s\n", name, atSecond(r.End))
		default:
			fmt.Fprintf(b, "%s is %s\n", name, [...]string{"awake", "asleep"}[r.CPU])
		}
	case control.TaskPaused:
		if r.Device < 0 {
			fmt.Fprintf(b, "resumed %s/%d\n", c.name(r.Job), r.Task)
			return
		}
		fmt.Fprintf(b, "suspended %s/%d for %s\n", c.name(r.Job), r.Task, tree.Areas[r.Device].Path)
	case control.PowerShed:
		f := r.Shed
		fmt.Fprintf(b, "shed %s: %s over, caps bring %s; capped %d, suspended %d, evicted %d; complies by %s", tree.Areas[f.Area].Path, inWatts(f.Over), inWatts(f.ByCap),
			f.Capped, f.Suspended, f.Evicted, atSecond(f.By))
		if f.Short > 0 {
			fmt.Fprintf(b, "; still %s over", inWatts(f.Short))
		}
		fmt.Fprintln(b)
	}
}
