package fleet

import (
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"tianfu/fault"
	"tianfu/unit"
)

// PowerBands say how the limit of an area is kept. A part is written as 90%, a
// reserve also as power.
type PowerBands struct {
	at
	Reserve string // withheld from the limit, so that one feed of several may fail
	Warn    string // part of what is usable from which the area is in its warning band; empty = 95%
	Resume  string // part up to which what was held back comes back; empty = 90%
}

// Battery stores energy at a site.
type Battery struct {
	at
	Capacity   string     // such as 2MWh
	Power      unit.Watts // most it takes or gives
	Efficiency string     // of what was taken, the part that comes back; empty = 90%
	Charge     string     // part of the capacity when the centre is opened; empty = 50%
}

// Cap lowers what an area may draw for a time, once or again and again.
type Cap struct {
	at
	Area  string // its path, such as site/hall
	Limit string // a part of the configured limit, such as 70%, or power
	From  unit.Instant
	For   time.Duration // how long; or To
	To    unit.Instant
	Every time.Duration // from one window to the next; 0 = there is only one
	Until unit.Instant  // no window begins from then on; 0 = no end
}

// decodeNode reads a cap. A length of nothing is not the same as none said, which is
// for ever, and is told here while both are still apart.
func (k *Cap) decodeNode(d *decoder, n *yaml.Node) {
	d.decodeStruct(n, reflect.ValueOf(k).Elem())
	if n.Kind != yaml.MappingNode {
		return
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if key.Value != "for" && key.Value != "every" || value.Kind != yaml.ScalarNode || value.Tag == "!!null" {
			continue
		}
		if length, err := unit.ParseDuration(value.Value); err == nil && length <= 0 {
			d.fail(value.Line, "give a length above 0, or leave the key out", "cap on %s: %s: %s is no time at all", k.Area, key.Value, value.Value)
		}
	}
}

// PowerRules say what is done when power is short, and when idle nodes sleep.
type PowerRules struct {
	at
	Protect    int           // priority from which work is never shed; 0 = none is protected
	CapLatency time.Duration // from an order to cap until less is drawn; 0 = 5 s
	Grace      time.Duration // from an order to leave until a task is gone; 0 = 30 s
	Sleep      Sleep
	// LimitBy names hardware of the machine that the server runs on, accelerators or
	// processors, that may be given limits of power of its own when its node is
	// capped; none = its tasks get less CPU time.
	LimitBy []string
}

// Sleep puts idle nodes to sleep.
type Sleep struct {
	at
	After   time.Duration // a node is idle for so long first; 0 = never
	Reserve int           // idle nodes of each site and model that stay awake
	Wake    time.Duration // until a node that is woken takes work
	Draw    unit.Watts    // of a sleeping node
}

// Bounds of what is declared of power.
const (
	maxCaps        = 1000
	maxAreaWatts   = 5e9
	maxBatteryKWh  = 1e9
	maxPUE         = 20
	maxPowerWindow = 100 * 366 * 24 * time.Hour
)

// ParsePart reads a part such as 70% as millionths.
func ParsePart(s string) (int64, error) {
	number, ok := strings.CutSuffix(s, "%")
	f, err := strconv.ParseFloat(number, 64)
	if !ok || err != nil || !(f >= 0 && f <= 100) {
		return 0, fault.New(fault.Invalid, "", strconv.Quote(s)+" is no part of a whole", "write it like 70%, from 0% to 100%")
	}
	return int64(math.Round(f * 10_000)), nil
}

// ParseEnergy reads energy such as 500kWh as watt-hours.
func ParseEnergy(s string) (float64, error) {
	for _, u := range []struct {
		unit  string
		scale float64
	}{{"GWh", 1e9}, {"MWh", 1e6}, {"kWh", 1e3}, {"Wh", 1}} {
		number, ok := strings.CutSuffix(s, u.unit)
		if !ok {
			continue
		}
		if f, err := strconv.ParseFloat(number, 64); err == nil && f >= 0 && f*u.scale <= maxBatteryKWh*1000 {
			return f * u.scale, nil
		}
		break
	}
	return 0, fault.New(fault.Invalid, "", strconv.Quote(s)+" is no energy", "write it like 500kWh or 2MWh")
}

// banded notes how the limits of areas are kept.
func (b *builder) banded(areas []int, p *PowerBands) []int {
	for _, i := range areas {
		a := &b.areas[i]
		a.bands = *p
		if *p == (PowerBands{}) {
			continue
		}
		if a.limit == 0 {
			b.fail(p.line, "give power:, or leave power_bands: out", "%s %s has bands and no limit", a.level, a.path)
		}
		warn, resume := b.part(p.line, p.Warn, "95%"), b.part(p.line, p.Resume, "90%")
		if resume > warn || warn == 0 {
			b.fail(p.line, "let resume be at most warn", "%s %s: resume lies above warn", a.level, a.path)
		}
		if r, err := reserveOf(p.Reserve, a.limit); err != nil {
			b.fail(p.line, "write it like 10% or 200kW", "%s", err)
		} else if r >= a.limit && a.limit > 0 {
			b.fail(p.line, "withhold less", "%s %s withholds %s of %s", a.level, a.path, kilowatts(r), kilowatts(a.limit))
		}
	}
	return areas
}

// reserveOf reads a reserve, a part of a limit or power.
func reserveOf(s string, limit unit.Watts) (unit.Watts, error) {
	switch {
	case s == "":
		return 0, nil
	case strings.HasSuffix(s, "%"):
		p, err := ParsePart(s)
		return unit.Watts(float64(limit) * float64(p) / 1e6), err
	}
	return unit.ParseWatts(s)
}

func (b *builder) part(line int, s, otherwise string) int64 {
	if s == "" {
		s = otherwise
	}
	p, err := ParsePart(s)
	if err != nil {
		b.fail(line, "", "%s", err)
	}
	return p
}

// powered checks what a site says of its facility.
func (b *builder) powered(s *Site) {
	if s.PUE != 0 && !(s.PUE >= 1 && s.PUE <= maxPUE) {
		b.fail(s.line, "facility power over IT power, from 1", "site %s: pue %g", s.Name, s.PUE)
	}
	if s.Power > maxAreaWatts {
		b.fail(s.line, "", "site %s may draw %s; at most 5 GW are allowed", s.Name, kilowatts(s.Power))
	}
	t := &s.Battery
	if *t == (Battery{}) {
		return
	}
	if wh, err := ParseEnergy(t.Capacity); err != nil {
		b.fail(t.line, "", "battery of site %s: capacity: %s", s.Name, err)
	} else if wh == 0 || t.Power <= 0 || t.Power > maxAreaWatts {
		b.fail(t.line, "give capacity: and power:", "the battery of site %s stores or gives nothing", s.Name)
	}
	if b.part(t.line, t.Efficiency, "90%") < 100_000 {
		b.fail(t.line, "from 10% to 100%", "battery of site %s: efficiency %s", s.Name, t.Efficiency)
	}
	b.part(t.line, t.Charge, "50%")
}

// rules checks caps and what is done when power is short.
func (b *builder) rules() {
	w := b.w
	p := &w.Power
	if p.CapLatency < 0 || p.CapLatency > time.Hour || p.Grace < 0 || p.Grace > 24*time.Hour {
		b.fail(p.line, "cap_latency at most 1h, grace at most 24h", "power: a time is out of range")
	}
	if z := &p.Sleep; z.After < 0 || z.After > 0 && z.After < time.Second || z.Wake < 0 || z.Wake > 24*time.Hour || z.Draw < 0 {
		b.fail(z.line, "after at least 1s, wake at most 24h", "power: sleep: a figure is out of range")
	}
	for i, kind := range p.LimitBy {
		if kind != "accelerators" && kind != "processors" || slices.Contains(p.LimitBy[:i], kind) {
			b.fail(p.line, "write limit_by: [accelerators, processors], or one of both", "power: limit_by: %q", kind)
		}
	}
	if len(w.Caps) > maxCaps {
		b.fail(w.Caps[maxCaps].line, "", "more than %d caps", maxCaps)
		return
	}
	for i := range w.Caps {
		b.cap(&w.Caps[i])
	}
}

func (b *builder) cap(k *Cap) {
	i, ok := b.areaAt[k.Area]
	if !ok {
		b.fail(k.line, b.nearest(k.Area), "cap on the unknown area %q", k.Area)
		return
	}
	a := &b.areas[i]
	var limit unit.Watts
	if strings.HasSuffix(k.Limit, "%") {
		p, err := ParsePart(k.Limit)
		if err != nil || p == 0 {
			b.fail(k.line, "write it like 70%", "cap on %s: limit %q", k.Area, k.Limit)
			return
		}
		if limit = unit.Watts(float64(a.limit) * float64(p) / 1e6); a.limit == 0 {
			b.fail(k.line, "give power: of the area, or the cap in watts", "cap on %s is a part of a limit, and it has none", k.Area)
			return
		}
	} else {
		var err error
		if limit, err = unit.ParseWatts(k.Limit); err != nil || limit <= 0 {
			b.fail(k.line, "write it like 70% or 1.4MW", "cap on %s: limit %q", k.Area, k.Limit)
			return
		}
	}
	if k.For != 0 {
		if k.To != 0 {
			b.fail(k.line, "give one of them", "cap on %s has for: and to:", k.Area)
			return
		}
		k.To, k.For = k.From.Add(k.For), 0
	}
	if k.Until != 0 && k.Every == 0 {
		b.fail(k.line, "give every: too, or to: instead", "cap on %s has until:, which ends what comes again", k.Area)
		return
	}
	switch length := k.To.Sub(k.From); {
	case k.From == 0:
		b.fail(k.line, "give from:", "cap on %s says not when it begins", k.Area)
	case k.To != 0 && (length <= 0 || length > maxPowerWindow):
		b.fail(k.line, "give for: or to:", "cap on %s ends before it begins", k.Area)
	case k.Every != 0 && (k.To == 0 || k.Every < time.Minute || k.Every < length):
		b.fail(k.line, "let every: be longer than a window and at least a minute", "the windows of the cap on %s overlap", k.Area)
	case b.w.Power.Sleep.After == 0 && limit < b.idleAt(a):
		b.fail(k.line, "allow more", "cap on %s allows %s, its %s %s when idle", k.Area, kilowatts(limit), draws(a.nodes), kilowatts(b.idleAt(a)))
	}
}

// idleAt returns what an area draws with nothing running, of a site with its
// overhead.
func (b *builder) idleAt(a *area) unit.Watts {
	if a.level == "site" {
		if i := slices.IndexFunc(b.w.Sites, func(s Site) bool { return s.Name == a.path }); i >= 0 && b.w.Sites[i].PUE > 1 {
			return unit.Watts(float64(a.idle) * b.w.Sites[i].PUE)
		}
	}
	return a.idle
}

// nodeArea gives a node with a limit an area of its own.
func (b *builder) nodeArea(g *Group, at int, n *Node) int {
	if g.Power == 0 {
		return at
	}
	if len(b.areas) >= maxAreas {
		b.fail(g.line, "", "too many areas")
		return at
	}
	p := &b.areas[at]
	b.areas = append(b.areas, area{path: p.path + "/" + string(n.ID), level: "node", parent: at, line: g.line, limit: g.Power, place: p.place})
	return len(b.areas) - 1
}

// Reserved returns what is withheld from the limit of an area.
func (a *Area) Reserved() unit.Watts {
	r, _ := reserveOf(a.Bands.Reserve, a.Limit)
	return r
}

// PartOr reads a declared part, or takes another where none is declared.
func PartOr(s string, otherwise int64) int64 {
	if p, err := ParsePart(s); err == nil && s != "" {
		return p
	}
	return otherwise
}
