package live

import (
	"slices"
	"time"

	"tianfu/control"
	"tianfu/sched"
)

// Solar readings are told once a window: often enough to follow clouds, seldom
// enough that a year of records stays small. One is believed for solarHold windows,
// so that one that is late changes nothing; a meter that is silent for longer makes
// nothing, for power that is not seen must not be promised.
const (
	solarWindow = time.Minute
	solarHold   = 3
)

// sun is what meters say is made on a site.
type sun struct {
	*gathering
	site   string
	meters []string
	window time.Duration
	told   int64 // in milliwatts, last
}

// arrangeSuns joins the meters of what sites make. A site without a limit has no
// budget that it could be part of.
func (m *instruments) arrangeSuns(s *control.State, before map[string]*sun, kept map[string]bool) {
	m.suns = map[string]*sun{}
	for i := range m.list {
		x := &m.list[i]
		if at := x.Covers.Path; x.Solar && limited(s, at) {
			u := m.suns[at]
			if u == nil {
				u = &sun{site: at, window: solarWindow}
				m.suns[at] = u
			}
			u.meters, u.window = append(u.meters, x.Name), max(u.window, x.Every)
			m.known[x.Name].Counts = true
		}
	}
	for at, u := range m.suns {
		old := before[at]
		if old != nil && slices.Equal(old.meters, u.meters) && old.window == u.window && !slices.ContainsFunc(u.meters, func(name string) bool { return !kept[name] }) {
			m.suns[at] = old
			continue
		}
		u.gathering = newGathering(u.meters...)
	}
}

// limited tells whether a site stands in the power tree.
func limited(s *control.State, site string) bool {
	tree := s.Config().Tree
	return tree != nil && slices.ContainsFunc(tree.Areas, func(a sched.PowerArea) bool { return a.Path == site })
}

// shine takes what has been made since the last window; false when there is nothing
// to tell.
func (u *sun) shine() (control.Input, bool) {
	w, ok := u.take(u.window)
	if !ok || w.Missing {
		return control.Input{}, false
	}
	milliwatts := max(int64(float64(w.Energy)/w.To.Sub(w.From).Seconds()), 0)
	if milliwatts == 0 && u.told == 0 {
		return control.Input{}, false // night
	}
	u.told = milliwatts
	hour := control.SolarHour{From: w.To, To: w.To.Add(solarHold * u.window), Milliwatts: milliwatts}
	return control.Input{Kind: control.Solar, Site: u.site, Solar: []control.SolarHour{hour}}, true
}
