package live

import (
	"time"

	"tianfu/meter"
	"tianfu/sensor"
	"tianfu/unit"
)

// Bounds of what is held until every channel has spoken.
const (
	maxHeld     = 4096 // spans of a channel; beyond that the oldest are joined
	maxSpanHeld = 24 * time.Hour
	// A window is told without its devices when they are this late: the ledger
	// does not wait longer for a node either.
	devicesLate = unit.Instant(10 * time.Second)
)

// gathering joins the channels of the meters that see one thing, a node or an
// area, to what it drew over windows of a grid. Channels are read at different
// instants: a window is told when all of them have passed its end, and what of a
// reading lies on either side of a window's edge goes by time. Nothing is lost
// and nothing counted twice: the windows of a channel add up to its readings.
//
// Of a node with accelerators it also tells what each drew, where all of them
// are known: the ledger divides by it.
type gathering struct {
	need     map[string]bool // meters; false = has not spoken yet
	aside    map[string]bool // meters of devices that another meter sees too: they add nothing
	devices  int             // accelerators of the node
	channels map[channelKey]*channelSpans
	last     unit.Instant // told up to here; 0 = nothing yet
	baseMW   int64        // drawn beside what the meters see, by the model
	partial  bool         // the meters see a part: what is told is estimated
}

type channelKey struct{ meter, channel string }

type channelSpans struct {
	spans  []span
	to     unit.Instant
	device int // whose channel it is; -1 = no single device's
	aside  bool
}

// span is a reading, or a part of one.
type span struct {
	from, to unit.Instant
	energy   unit.Millijoules
	quality  sensor.Quality
}

// windowed is what a thing drew over one or more windows.
type windowed struct {
	From, To  unit.Instant
	Energy    unit.Millijoules
	Estimated bool
	Missing   bool // a part of it is not known: Energy means nothing
	// Devices are what each accelerator drew, by number; nil where one is not
	// known for all of the time.
	Devices []unit.Millijoules
}

func newGathering(meters ...string) *gathering {
	g := &gathering{need: map[string]bool{}, channels: map[channelKey]*channelSpans{}}
	for _, m := range meters {
		g.need[m] = false
	}
	return g
}

// seeDevices lets meters tell what the single accelerators of a node drew.
func (g *gathering) seeDevices(devices int, meters ...string) {
	g.devices, g.aside = devices, map[string]bool{}
	for _, m := range meters {
		g.aside[m] = true
	}
}

// add takes a reading of one of the meters in.
func (g *gathering) add(r *sensor.Reading) {
	_, ours := g.need[r.Meter]
	if !ours && !g.aside[r.Meter] || r.To <= r.From {
		return
	}
	if ours {
		g.need[r.Meter] = true
	}
	k := channelKey{r.Meter, r.Channel}
	c := g.channels[k]
	if c == nil {
		c = &channelSpans{device: -1, aside: !ours}
		if r.Covers.Level == sensor.Device {
			c.device = r.Covers.Device
		}
		g.channels[k] = c
	}
	if c.to > r.From {
		return // a poller never goes back
	}
	if n := len(c.spans); n >= maxHeld {
		first, second := c.spans[0], c.spans[1]
		c.spans = c.spans[1:]
		c.spans[0] = span{first.from, second.to, first.energy + second.energy, worse(first.quality, second.quality)}
	}
	c.spans = append(c.spans, span{r.From, r.To, r.Energy, r.Quality})
	c.to = r.To
}

func worse(a, b sensor.Quality) sensor.Quality {
	order := map[sensor.Quality]int{sensor.Measured: 0, sensor.Bridged: 1, sensor.Estimated: 2, sensor.Missing: 3}
	if order[a] > order[b] {
		return a
	}
	return b
}

// take returns what was drawn since the last call, up to the last edge of the
// grid that every channel has passed; false where there is nothing new.
func (g *gathering) take(every time.Duration) (windowed, bool) {
	for _, spoken := range g.need {
		if !spoken {
			return windowed{}, false
		}
	}
	if len(g.channels) == 0 {
		return windowed{}, false
	}
	begin, end := unit.Instant(0), unit.Never
	for _, c := range g.channels {
		if c.aside {
			continue
		}
		end = min(end, c.to)
		if len(c.spans) > 0 {
			begin = max(begin, c.spans[0].from)
		}
	}
	if end == unit.Never {
		return windowed{}, false
	}
	for _, c := range g.channels {
		if c.aside && c.to > end-devicesLate {
			end = min(end, c.to)
		}
	}
	grid := unit.Instant(every)
	end -= end % grid
	if g.last == 0 { // the first whole window
		g.last = (begin + grid - 1) / grid * grid
	}
	g.last = max(g.last, end.Add(-maxSpanHeld))
	// What lies before is told, or older than anybody asks for.
	for _, c := range g.channels {
		c.take(g.last)
	}
	if end <= g.last {
		return windowed{}, false
	}
	w := windowed{From: g.last, To: end, Estimated: g.partial}
	seen := 0 // devices known for all of the window
	devices := make([]unit.Millijoules, g.devices)
	for _, c := range g.channels {
		got := c.take(end)
		if !c.aside {
			w.Energy += got.energy
			w.Estimated = w.Estimated || got.quality != sensor.Measured
			w.Missing = w.Missing || got.quality == sensor.Missing
		}
		if c.device >= 0 && c.device < g.devices && got.quality != sensor.Missing && got.from <= w.From && got.to >= w.To {
			devices[c.device] += got.energy
			seen++
		}
	}
	if seen > 0 && seen == g.devices {
		w.Devices = devices
	}
	w.Energy += meter.PartOf(unit.Millijoules(g.baseMW), int64(end-g.last), int64(time.Second))
	g.last = end
	return w, true
}

// take takes what lies before an instant, joined.
func (c *channelSpans) take(to unit.Instant) span {
	got := span{from: to, to: to, quality: sensor.Measured}
	for len(c.spans) > 0 && c.spans[0].from < to {
		s := &c.spans[0]
		part := *s
		if s.to > to {
			part.energy, part.to = meter.PartOf(s.energy, int64(to-s.from), int64(s.to-s.from)), to
		}
		if got.from == to {
			got.from = part.from
		}
		got.to = part.to
		got.energy += part.energy
		got.quality = worse(got.quality, part.quality)
		if s.to > to {
			s.energy -= part.energy
			s.from = to
			return got
		}
		c.spans = c.spans[1:]
	}
	return got
}
