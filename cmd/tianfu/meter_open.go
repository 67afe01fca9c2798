package main

import (
	"cmp"
	"slices"

	"tianfu/fault"
	"tianfu/fleet"
	"tianfu/sensor"
	"tianfu/sensor/rapl"
	"tianfu/sensor/replay"
)

// openSource makes the source of a declared meter. Nothing is connected yet:
// what is wrong with the declaration is said at once, what is wrong with the
// instrument when it is read.
func openSource(m *fleet.Meter) (sensor.Source, error) {
	open := map[string]func(*fleet.Meter, sensor.Covers) (sensor.Source, error){
		"rapl": func(_ *fleet.Meter, c sensor.Covers) (sensor.Source, error) { return rapl.New("", c.Path), nil },
		"csv":  openReplay,
	}[m.Kind]
	where := "meter " + m.Name
	if open == nil {
		return nil, fault.New(fault.Invalid, where, "the kind "+m.Kind+" cannot be read by this build", "")
	}
	s, err := open(m, sensor.Covers{Level: sensor.Level(m.Level()), Path: m.Covers})
	if err != nil {
		return nil, fault.Wrap(err, where, "declared on line "+count(m.Line()))
	}
	return s, nil
}

func openReplay(m *fleet.Meter, c sensor.Covers) (sensor.Source, error) {
	o := replay.Options{Covers: c}
	for i := range m.Channels {
		d := &m.Channels[i]
		scale, err := sensor.ParseScale(d.Unit)
		if err != nil {
			return nil, fault.Wrap(err, "channel "+d.Name, "unit")
		}
		wraps, err := sensor.ParseModulus(d.Wraps)
		if err != nil {
			return nil, fault.Wrap(err, "channel "+d.Name, "wraps")
		}
		o.Channels = append(o.Channels, replay.Channel{Name: d.Name, Column: cmp.Or(d.Address, d.Name), Part: cmp.Or(d.Part, d.Name), Scale: scale, Wraps: wraps})
	}
	return replay.Open(m.Address, o)
}

// ownMachine are the kinds that read the machine they run on.
var ownMachine = []string{"rapl", "nvml"}

// openMeters makes the declared meters ready for the poller. Those that read the
// machine they run on are left out unless they cover own; own "" takes all.
// What cannot be opened is returned beside them, for it must not stop a centre.
func openMeters(w *fleet.World, own fleet.NodeID) ([]sensor.Meter, []error) {
	var out []sensor.Meter
	var bad []error
	for i := range w.Meters {
		m := &w.Meters[i]
		if own != "" && slices.Contains(ownMachine, m.Kind) && m.Covers != string(own) {
			continue
		}
		s, err := openSource(m)
		if err != nil {
			bad = append(bad, err)
			continue
		}
		out = append(out, sensor.Meter{Name: m.Name, Source: s, Every: m.Every, MaxPower: sensor.Milliwatts(m.MaxPower * 1000)})
	}
	return out, bad
}
