package sched

import (
	"math"
	"slices"
	"time"

	"tianfu/fleet"
	"tianfu/unit"
)

// Defaults of what a world leaves out.
const (
	DefaultCapLatency = 5 * time.Second
	DefaultGrace      = 30 * time.Second
)

// PowerOf returns the power tree that a world declares; nil when nothing in it
// limits power and no node is to sleep.
func PowerOf(w *fleet.World) *Power {
	p := AreasOf(w)
	if p.Sleep.After > 0 || len(p.Caps) > 0 || slices.ContainsFunc(p.Areas, func(a PowerArea) bool { return a.Limit > 0 || a.Battery.Capacity > 0 }) {
		return p
	}
	return nil
}

// AreasOf returns the tree of all areas of a world, though none may have a limit.
func AreasOf(w *fleet.World) *Power {
	p := &Power{Protect: NoProtect, CapLatency: w.Power.CapLatency, Grace: w.Power.Grace}
	if w.Power.Protect > 0 {
		p.Protect = int32(w.Power.Protect)
	}
	if p.CapLatency == 0 {
		p.CapLatency = DefaultCapLatency
	}
	if p.Grace == 0 {
		p.Grace = DefaultGrace
	}
	z := &w.Power.Sleep
	p.Sleep = PowerSleep{After: z.After, Reserve: int32(z.Reserve), Latency: z.Wake, Draw: Milliwatts(z.Draw)}
	sites := map[string]*fleet.Site{}
	for i := range w.Sites {
		sites[w.Sites[i].Name] = &w.Sites[i]
	}
	areas := w.Areas()
	for i := range areas {
		a := &areas[i]
		x := PowerArea{Path: a.Path, Level: a.Level, Parent: int32(a.Parent), Limit: Milliwatts(a.Limit), Reserve: Milliwatts(a.Reserved()),
			Warn: fleet.PartOr(a.Bands.Warn, DefaultWarn), Resume: fleet.PartOr(a.Bands.Resume, DefaultResume)}
		if s := sites[a.Path]; s != nil && a.Parent < 0 {
			x.Overhead = max(int64(math.Round(s.PUE*Million)), Million)
			x.Battery = batteryOf(&s.Battery)
		}
		p.Areas = append(p.Areas, x)
	}
	for i := range w.Caps {
		p.Caps = append(p.Caps, capOf(&w.Caps[i]))
	}
	return p
}

func batteryOf(b *fleet.Battery) Battery {
	wh, err := fleet.ParseEnergy(b.Capacity)
	if err != nil {
		return Battery{}
	}
	capacity := math.Round(wh * 3_600_000)
	charge := math.Floor(capacity / Million * float64(fleet.PartOr(b.Charge, Million/2)))
	return Battery{Capacity: unit.Millijoules(capacity), Power: Milliwatts(b.Power), Efficiency: fleet.PartOr(b.Efficiency, 900_000), Charge: unit.Millijoules(charge)}
}

func capOf(c *fleet.Cap) CapEvent {
	k := CapEvent{Area: c.Area, From: c.From, To: c.To, Every: c.Every, Until: c.Until}
	if part, err := fleet.ParsePart(c.Limit); err == nil {
		k.Part = part
	} else if w, err := unit.ParseWatts(c.Limit); err == nil {
		k.Limit = Milliwatts(w)
	}
	if k.To == 0 {
		k.To = unit.Never
	}
	return k
}

// Milliwatts rounds power to what the tree counts in.
func Milliwatts(w unit.Watts) int64 { return int64(math.Round(float64(w) * 1000)) }
