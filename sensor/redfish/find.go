package redfish

import (
	"context"
	"encoding/json"
	"path"
	"strings"

	"tianfu/fault"
	"tianfu/sensor"
)

// Bounds of what is found.
const (
	maxMembers  = 64 // of one collection
	maxRequests = 256
)

// find returns what a service shows of the energy that enters the machine. Rules:
//
//   - Rack strips are read where there are any (Metrics of each), else chassis.
//   - Of chassis only those that no other contains: boards and accelerators are
//     chassis too, and are in the outer one's figure.
//   - One channel a chassis: a joule counter, a kWh counter with decimals, a
//     power, or any kWh counter, in this order. Counters in whole kWh come last
//     because an hour of a server is less.
//   - EnvironmentMetrics first, then PowerControl of Power (its first entry is
//     the chassis), then the supplies of PowerSubsystem, whose inputs add up.
func (s *Source) find(ctx context.Context) ([]sensor.Channel, error) {
	f := &finder{client: s.client, ctx: ctx}
	root := f.get("/redfish/v1")
	var out []sensor.Channel
	if equipment := f.get(root.link("PowerEquipment")); equipment != nil {
		for _, at := range f.members(equipment.link("RackPDUs")) {
			strip := f.get(at)
			out = append(out, f.metrics("pdu-"+path.Base(at), strip.link("Metrics"), "")...)
		}
	}
	if len(out) == 0 {
		for _, at := range f.members(root.link("Chassis")) {
			chassis := f.get(at)
			if chassis == nil || chassis.link("Links.ContainedBy") != "" {
				continue
			}
			out = append(out, f.chassis("chassis-"+path.Base(at), chassis)...)
		}
	}
	if f.failed != nil {
		return nil, f.failed
	}
	if len(out) == 0 {
		return nil, fault.New(fault.NotFound, s.client.root, "the service shows neither energy nor power", "declare channels: address: /redfish/v1/..., field: ...")
	}
	return out, nil
}

// finder walks a service; after the first failure it returns nothing more.
type finder struct {
	client *client
	ctx    context.Context
	asked  int
	failed error
}

// get reads a resource; nil where there is none.
func (f *finder) get(at string) document {
	if at == "" || f.failed != nil {
		return nil
	}
	if f.asked++; f.asked > maxRequests {
		f.failed = fault.New(fault.Invalid, f.client.root, "the service has too many resources to look through", "declare channels")
		return nil
	}
	doc, err := f.client.get(f.ctx, at)
	if err != nil && fault.KindOf(err) != fault.NotFound {
		f.failed = err
	}
	return doc
}

func (f *finder) members(at string) []string {
	list := f.get(at).links("Members")
	return list[:min(len(list), maxMembers)]
}

// chassis returns the channels of a chassis that stands by itself.
func (f *finder) chassis(name string, c document) []sensor.Channel {
	if out := f.metrics(name, c.link("EnvironmentMetrics"), ""); out != nil {
		return out
	}
	if at := c.link("Power"); at != "" {
		if _, err := f.get(at).number("PowerControl.0.PowerConsumedWatts"); err == nil {
			return []sensor.Channel{channel(name, at, "PowerControl.0.PowerConsumedWatts", "W")}
		}
	}
	var out []sensor.Channel
	for _, at := range f.members(f.get(c.link("PowerSubsystem")).link("PowerSupplies")) {
		supply := name + "-" + path.Base(at)
		out = append(out, f.metrics(supply, f.get(at).link("Metrics"), "Input")...)
	}
	return out
}

// metrics returns the best channel of a resource of metrics.
func (f *finder) metrics(name, at, prefix string) []sensor.Channel {
	doc := f.get(at)
	if doc == nil {
		return nil
	}
	kwh, fine := "", false
	for _, field := range [...]string{"EnergykWh.LifetimeReading", "EnergykWh.Reading"} {
		if n, ok := doc.at(field).(json.Number); ok && !fine {
			_, decimals, _ := strings.Cut(n.String(), ".")
			kwh, fine = field, len(decimals) >= 2
		}
	}
	power := prefix + "PowerWatts.Reading"
	_, joules := doc.at("EnergyJoules.Reading").(json.Number)
	_, watts := doc.at(power).(json.Number)
	switch {
	case joules:
		return []sensor.Channel{channel(name, at, "EnergyJoules.Reading", "J")}
	case fine:
		return []sensor.Channel{channel(name, at, kwh, "kWh")}
	case watts:
		return []sensor.Channel{channel(name, at, power, "W")}
	case kwh != "":
		return []sensor.Channel{channel(name, at, kwh, "kWh")}
	}
	return nil
}

func channel(name, at, field, unit string) sensor.Channel {
	scale, err := sensor.ParseScale(unit)
	if err != nil {
		panic("redfish: " + err.Error())
	}
	return sensor.Channel{Name: name, Address: at, Field: field, Part: name, Scale: scale}
}
