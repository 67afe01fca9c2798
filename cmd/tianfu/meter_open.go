package main

import (
	"cmp"
	"log/slog"
	"os"
	"slices"
	"time"

	"tianfu/fault"
	"tianfu/fleet"
	"tianfu/live"
	"tianfu/sensor"
	"tianfu/sensor/modbus"
	"tianfu/sensor/mqtt"
	"tianfu/sensor/nvml"
	"tianfu/sensor/rapl"
	"tianfu/sensor/redfish"
	"tianfu/sensor/replay"
	"tianfu/sensor/snmp"
)

// openSource makes the source of a declared meter. Nothing is connected yet:
// what is wrong with the declaration is said at once, what is wrong with the
// instrument when it is read.
func openSource(m *fleet.Meter) (sensor.Source, error) {
	where := "meter " + m.Name
	d := declared{Meter: m, covers: sensor.Covers{Level: sensor.Level(m.Level()), Path: m.Covers}}
	var err error
	if d.channels, err = declaredChannels(m); err == nil {
		d.secret, err = secretOf(m)
	}
	var s sensor.Source
	if err == nil {
		s, err = d.open()
	}
	if err != nil {
		return nil, fault.Wrap(err, where, "declared on line "+count(m.Line()))
	}
	return s, nil
}

// declared is a meter with what its declaration means.
type declared struct {
	*fleet.Meter
	covers   sensor.Covers
	channels []sensor.Channel
	secret   string
}

func (d *declared) open() (sensor.Source, error) {
	switch d.Kind {
	case "rapl":
		return rapl.New("", d.covers.Path), nil
	case "nvml":
		return nvml.New(d.covers.Path), nil
	case "csv":
		return d.openReplay()
	case "modbus":
		return modbus.New(modbus.Options{Address: d.Address, UnitID: d.UnitID, Covers: d.covers, Channels: d.channels})
	case "snmp":
		return snmp.New(snmp.Options{Address: d.Address, User: d.User, Secret: d.secret, Covers: d.covers, Channels: d.channels})
	case "mqtt":
		return mqtt.New(mqtt.Options{Address: d.Address, User: d.User, Secret: d.secret, CA: d.CA, Fingerprint: d.Fingerprint, Covers: d.covers, Channels: d.channels, Stale: 10 * max(d.Every, 30*time.Second)})
	case "redfish":
		return redfish.New(redfish.Options{Address: d.Address, User: d.User, Secret: d.secret, CA: d.CA, Fingerprint: d.Fingerprint, Covers: d.covers, Channels: d.channels})
	}
	return nil, fault.New(fault.Invalid, "", "the kind "+d.Kind+" cannot be read by this build", "")
}

// declaredChannels reads units and wraps.
func declaredChannels(m *fleet.Meter) ([]sensor.Channel, error) {
	var out []sensor.Channel
	for i := range m.Channels {
		c := &m.Channels[i]
		scale, err := sensor.ParseScale(c.Unit)
		if err != nil {
			return nil, fault.Wrap(err, "channel "+c.Name, "unit")
		}
		wraps, err := sensor.ParseModulus(c.Wraps)
		if err != nil {
			return nil, fault.Wrap(err, "channel "+c.Name, "wraps")
		}
		out = append(out, sensor.Channel{Name: c.Name, Address: c.Address, Field: c.Field, Type: c.Type, Part: cmp.Or(c.Part, c.Name), Scale: scale, Wraps: wraps})
	}
	return out, nil
}

// secretOf reads the environment variable that a meter names. It is the only
// place where secrets of meters are read.
func secretOf(m *fleet.Meter) (string, error) {
	if m.SecretEnv == "" {
		return "", nil
	}
	secret := os.Getenv(m.SecretEnv)
	if secret == "" {
		return "", fault.New(fault.Invalid, "secret_env", "the environment variable "+m.SecretEnv+" is not set", "set it where the server is started")
	}
	if len(secret) > 4096 {
		return "", fault.Invalidf("secret_env", "the environment variable %s is longer than 4096 characters", m.SecretEnv)
	}
	return secret, nil
}

func (d *declared) openReplay() (sensor.Source, error) {
	o := replay.Options{Covers: d.covers}
	for _, c := range d.channels {
		o.Channels = append(o.Channels, replay.Channel{Name: c.Name, Column: cmp.Or(c.Address, c.Name), Part: c.Part, Scale: c.Scale, Wraps: c.Wraps})
	}
	return replay.Open(d.Address, o)
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

// instruments makes the declared meters ready for a centre whose engine runs on
// a node. What cannot be opened is shown beside the others, and stops nothing.
// known returns one that is open already, or nil.
func instruments(w *fleet.World, own fleet.NodeID, log *slog.Logger, known func(*fleet.Meter) *live.Instrument) []live.Instrument {
	var out []live.Instrument
	for i := range w.Meters {
		m := &w.Meters[i]
		if slices.Contains(ownMachine, m.Kind) && m.Covers != string(own) {
			continue // it stands in another machine
		}
		if x := known(m); x != nil {
			out = append(out, *x)
			continue
		}
		x := live.Instrument{Kind: m.Kind, Covers: sensor.Covers{Level: sensor.Level(m.Level()), Path: m.Covers}, Solar: m.Solar}
		x.Name, x.Every, x.MaxPower = m.Name, m.Every, sensor.Milliwatts(m.MaxPower*1000)
		if m.Kind == "csv" {
			log.Warn("a recorded meter begins at the first row of its file, whatever was read of it before", "meter", m.Name, "file", m.Address)
		}
		if x.Source, x.Broken = openSource(m); x.Broken != nil {
			log.Warn("a meter cannot be read: energies are modelled", "meter", m.Name, "error", x.Broken)
		}
		out = append(out, x)
	}
	return out
}
