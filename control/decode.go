package control

import (
	"encoding/binary"
	"fmt"
	"math"
	"time"

	"tianfu/energy"
	"tianfu/fault"
	"tianfu/fleet"
	"tianfu/job"
	"tianfu/sched"
	"tianfu/unit"
)

// DecodeRecord reads what AppendRecord wrote. The whole of b must be one
// record; the error is Invalid and says at which byte reading stopped. Counts
// are held to what the bytes left could hold, so damage cannot ask for memory.
func DecodeRecord(b []byte) (Record, error) {
	d := &reader{b: b}
	r := Record{Kind: RecordKind(d.byte()), At: unit.Instant(d.varint())}
	d.body(&r)
	if d.err == nil && d.at != len(b) {
		d.fail("%d bytes are left over", len(b)-d.at)
	}
	return r, d.err
}

// InstantOf returns the instant of an encoded record.
func InstantOf(b []byte) (unit.Instant, error) {
	d := &reader{b: b}
	d.byte()
	at := unit.Instant(d.varint())
	return at, d.err
}

func (d *reader) body(r *Record) {
	switch r.Kind {
	case Opened, Configured:
		r.Config = d.config()
	case Submitted:
		r.Job, r.Spec = job.ID(d.uvarint()), d.spec()
	case Allocated:
		d.task(r)
		r.Node, r.Devices, r.Share = d.int32(), uint16(d.max(math.MaxUint16)), int16(d.max(math.MaxInt16))
		r.CPU, r.Memory, r.Profile, r.End = d.int32(), d.int32(), int16(d.max(math.MaxInt16)), unit.Instant(d.varint())
	case Evicting:
		d.task(r)
		r.Cause, r.For = EvictCause(d.byte()), job.ID(d.uvarint())
	case Ended:
		d.task(r)
		r.Ending, r.Node, r.Exit = Ending(d.byte()), d.int32(), d.exit()
	case JobExpired:
		r.Job, r.Reason = job.ID(d.uvarint()), d.reason()
	case JobCancelled:
		r.Job, r.Cancel, r.For = job.ID(d.uvarint()), CancelCause(d.byte()), job.ID(d.uvarint())
	case Released:
		r.Job = job.ID(d.uvarint())
	case Reserved:
		r.Held = d.reservation()
	case OthersReserved:
		for range d.count() {
			if one := d.reservation(); one != nil {
				r.Others = append(r.Others, *one)
			} else {
				d.fail("a reservation is missing")
			}
		}
	case Booked:
		r.Booked = d.booked()
	case Unbooked:
		r.Name = d.string()
	case NodeChanged:
		r.Node, r.Device, r.Health = d.int32(), int32(d.varint()), fleet.Health(d.byte())
		d.flags(&r.Cordon, &r.Drain)
	case NodeShort:
		r.Node = d.int32()
		d.flags(&r.Short)
	case ShiftPlanned:
		r.Deferrals = d.deferrals()
	case DeadlineAtRisk, DeadlineMissed:
		r.Job, r.Reason = job.ID(d.uvarint()), d.reason()
	case SiteHoursKnown:
		r.Site, r.Hours = d.string(), d.siteHours()
	case PowerTold, BudgetSet, NodePowered, TaskPaused, PowerShed:
		d.powerRecord(r)
	case Moved:
		d.task(r)
		r.Node, r.Devices = d.int32(), uint16(d.max(math.MaxUint16))
	case Metered:
		r.Page = d.page()
	case EnergyRead:
		r.Node, r.Reading = d.rank(), d.reading()
	default:
		d.fail("record of unknown kind %d: it was written by a newer version", r.Kind)
	}
}

// reader takes varints, strings and counts off a record; after the first
// failure everything reads as zero.
type reader struct {
	b   []byte
	at  int
	err error
}

func (d *reader) fail(format string, args ...any) {
	if d.err == nil {
		d.err = fault.New(fault.Invalid, fmt.Sprintf("record, byte %d", d.at), fmt.Sprintf(format, args...), "check the store: tianfu store verify")
		d.at = len(d.b)
	}
}

func (d *reader) byte() byte {
	if d.at >= len(d.b) {
		d.fail("ends early")
		return 0
	}
	d.at++
	return d.b[d.at-1]
}

func (d *reader) uvarint() uint64 {
	v, n := binary.Uvarint(d.b[d.at:])
	if n <= 0 {
		d.fail("no number is here")
		return 0
	}
	d.at += n
	return v
}

func (d *reader) varint() int64 {
	v, n := binary.Varint(d.b[d.at:])
	if n <= 0 {
		d.fail("no number is here")
		return 0
	}
	d.at += n
	return v
}

// max reads a number from 0 to most.
func (d *reader) max(most uint64) uint64 {
	v := d.uvarint()
	if v > most {
		d.fail("%d is larger than %d", v, most)
		return 0
	}
	return v
}

func (d *reader) int32() int32 { return int32(d.max(math.MaxInt32)) }

// count reads how many items follow, each of at least a byte.
func (d *reader) count() int {
	v := d.uvarint()
	if v > uint64(len(d.b)-d.at) {
		d.fail("%d items in the %d bytes that are left", v, len(d.b)-d.at)
		return 0
	}
	return int(v)
}

func (d *reader) string() string { return string(d.bytes()) }

func (d *reader) bytes() []byte {
	n := d.count()
	if d.err != nil || n == 0 {
		return nil
	}
	d.at += n
	return d.b[d.at-n : d.at : d.at]
}

func (d *reader) flags(into ...*bool) {
	f := d.byte()
	for i, p := range into {
		*p = f>>i&1 != 0
	}
	if f>>len(into) != 0 {
		d.fail("flags %#x are not known", f)
	}
}

func (d *reader) float() float64 { return math.Float64frombits(d.uvarint()) }

func (d *reader) task(r *Record) {
	r.Job, r.Task, r.Attempt = job.ID(d.uvarint()), d.int32(), d.int32()
}

func (d *reader) exit() *Exit {
	if d.byte() == 0 {
		return nil
	}
	return &Exit{Code: int32(d.varint()), Detail: d.string(), Usage: Usage{
		CPUMicros: d.varint(), MemoryPeak: d.varint(), ByteSeconds: d.varint(), WallMicros: d.varint()}}
}

func (d *reader) reason() sched.Reason {
	first := d.byte()
	r := sched.Reason{Dominant: sched.Cause(first &^ moreReason), Considered: d.int32()}
	for i := range r.Excluded[:firstCauses] {
		r.Excluded[i] = d.int32()
	}
	r.Ahead = job.ID(d.uvarint())
	if first&moreReason == 0 {
		return r
	}
	more := r.Excluded[firstCauses:]
	n := d.max(uint64(len(more)))
	for i := range more[:n] {
		more[i] = d.int32()
	}
	if p := &r.Short; r.Excluded[sched.PowerCap] > 0 {
		var area int64
		d.ints(&area, &p.Need, &p.Draw, &p.Budget)
		d.flags(&p.Behind)
		p.Area = int32(area)
	}
	if o := &r.Over; r.Excluded[sched.OverBudget] > 0 {
		var budget, renews int64
		d.ints(&budget, &o.Need, &o.Spent, &o.Committed, &o.Limit, &renews)
		d.flags(&o.Carbon, &o.NextDay)
		o.Budget, o.Renews = int32(budget), unit.Instant(renews)
	}
	r.Quota = sched.QuotaUse{Resource: d.string(), Asked: d.varint(), Used: d.varint(), Guaranteed: d.varint(), Borrowable: d.varint()}
	return r
}

func (d *reader) reservation() *sched.Reservation {
	if d.byte() == 0 {
		return nil
	}
	r := &sched.Reservation{Job: job.ID(d.uvarint()), At: unit.Instant(d.varint())}
	for range d.count() {
		n := sched.HeldNode{Node: d.int32()}
		for range d.count() {
			n.Tasks = append(n.Tasks, d.int32())
		}
		r.Nodes = append(r.Nodes, n)
	}
	return r
}

func (d *reader) siteHours() []energy.SiteHour {
	var out []energy.SiteHour
	var end unit.Instant
	for range d.count() {
		var h energy.SiteHour
		h.From = end + unit.Instant(d.varint())
		h.To = h.From + unit.Instant(d.varint())
		end = h.To
		var known [6]bool
		d.flags(&known[0], &known[1], &known[2], &known[3], &known[4], &known[5])
		d.flags(&h.Forecast)
		for k, v := range [...]*int64{&h.CarbonLocation, &h.CarbonMarket, &h.CarbonMarginal, &h.Price, &h.PUE, &h.Water} {
			*v = energy.NoData
			if known[k] {
				*v = d.varint()
			}
		}
		if d.err != nil {
			return nil
		}
		out = append(out, h)
	}
	return out
}

func (d *reader) spec() *job.Spec {
	s := &job.Spec{Name: d.string(), Tenant: job.Tenant(d.string()), Queue: job.Queue(d.string()), Class: job.Class(d.byte())}
	var hasDeadline, shifts bool
	d.flags(&s.Gang, &s.Preemptible, &hasDeadline, &s.Suspendable, &shifts, &s.Array)
	s.Topology = job.Topology{Mode: job.TopologyMode(d.byte()), Level: fleet.Level(d.byte())}
	s.Priority, s.ExpectedRun, s.StartBy = int32(d.varint()), time.Duration(d.varint()), unit.Instant(d.varint())
	if hasDeadline {
		s.Deadline = unit.Instant(d.varint())
	}
	if shifts {
		s.Wish = job.Wish(d.byte())
		d.flags(&s.Pausable)
		s.CarbonPrice = d.int32()
	}
	if s.Array {
		s.Parallel = d.int32()
	}
	for range d.count() {
		if s.ExpectedRunOn == nil {
			s.ExpectedRunOn = map[fleet.Model]time.Duration{}
		}
		m := fleet.Model(d.string())
		s.ExpectedRunOn[m] = time.Duration(d.varint())
	}
	for range d.count() {
		s.Groups = append(s.Groups, d.group())
	}
	s.Retries, s.Backoff = int(d.int32()), time.Duration(d.varint())
	for range d.count() {
		a := job.Dependency{Job: job.ID(d.uvarint())}
		d.flags(&a.AnyEnd)
		s.After = append(s.After, a)
	}
	s.Key, s.Work = d.string(), d.bytes()
	return s
}

func (d *reader) group() job.Group {
	g := job.Group{Name: d.string(), Count: int(d.int32())}
	r := &g.Request
	r.CPU, r.Memory, r.Accelerators = unit.MilliCPU(d.int32()), unit.MiB(d.int32()), int(d.int32())
	r.Share, r.Partition = unit.Milli(d.int32()), d.string()
	for range d.count() {
		r.Models = append(r.Models, fleet.Model(d.string()))
	}
	r.Capability.MinMemory, r.Capability.Stack = unit.MiB(d.int32()), d.string()
	for range d.count() {
		r.Capability.Precisions = append(r.Capability.Precisions, d.string())
	}
	return g
}

// config reads a centre as it was opened. Nodes come by rank and go back to
// where they were declared.
func (d *reader) config() *Config {
	c := &Config{Fleet: &fleet.Fleet{Name: d.string()}}
	n := d.count()
	c.Fleet.Nodes, c.Rank = make([]fleet.Node, n), make([]int32, n)
	seen := make([]bool, n)
	plain := true
	for r := range n {
		i := int(d.max(uint64(n - 1)))
		if d.err != nil {
			return c
		}
		if seen[i] {
			d.fail("node %d is there twice", i)
			return c
		}
		seen[i] = true
		c.Rank[i] = int32(r)
		plain = plain && i == r
		d.node(&c.Fleet.Nodes[i])
	}
	c.Fleet.Traits = d.traits()
	c.Power = d.power(c.Rank)
	if plain {
		c.Rank = nil
	}
	c.Policy = d.string()
	c.Rules.Backfill = sched.Backfill(d.byte())
	var parts bool
	d.flags(&c.Rules.Preempt, &parts)
	c.Rules.Depth, c.Params.Seed = int(d.int32()), d.uvarint()
	for range d.count() {
		g := d.group()
		c.Params.Typical = append(c.Params.Typical, sched.TypicalClass{
			CPU: g.Request.CPU, Share: g.Request.Share, Count: g.Request.Accelerators, Models: g.Request.Models, Weight: int64(g.Count)})
	}
	for range d.count() {
		if c.Weights == nil {
			c.Weights = map[job.Tenant]int64{}
		}
		t := job.Tenant(d.string())
		c.Weights[t] = d.varint()
	}
	if parts {
		d.parts(c)
	}
	return c
}

func (d *reader) node(n *fleet.Node) {
	n.ID, n.SKU, n.Model = fleet.NodeID(d.string()), d.string(), fleet.Model(d.string())
	n.Place = fleet.Place{Site: d.string(), Building: d.string(), Hall: d.string(), Row: d.string(), Rack: d.string()}
	n.Segment, n.Pod, n.Rail = d.string(), d.string(), d.string()
	n.CPU, n.Memory, n.Health = unit.MilliCPU(d.int32()), unit.MiB(d.int32()), fleet.Health(d.byte())
	d.flags(&n.Cordoned, &n.Drain)
	devices := d.count()
	if devices > fleet.MaxDevices {
		d.fail("%d devices on a node", devices)
		return
	}
	for range devices {
		v := fleet.Device{Health: fleet.Health(d.byte())}
		d.flags(&v.Cordoned)
		n.Devices = append(n.Devices, v)
	}
	for range d.count() {
		n.Maintenance = append(n.Maintenance, fleet.Window{From: unit.Instant(d.varint()), To: unit.Instant(d.varint())})
	}
}

func (d *reader) traits() map[fleet.Model]fleet.Traits {
	out := map[fleet.Model]fleet.Traits{}
	for range d.count() {
		m := fleet.Model(d.string())
		t := fleet.Traits{Memory: unit.MiB(d.int32()), Stack: d.string(), Maker: d.string(), FP16TFLOPS: d.float()}
		for range d.count() {
			t.Precisions = append(t.Precisions, d.string())
		}
		t.ComputeSlices, t.MemorySlices = int(d.int32()), int(d.int32())
		for range d.count() {
			t.Profiles = append(t.Profiles, fleet.Profile{Name: d.string(), Compute: int(d.int32()), Memory: int(d.int32())})
		}
		out[m] = t
	}
	return out
}

func (d *reader) power(rank []int32) []energy.NodeModel {
	if d.byte() == 0 || d.err != nil {
		return nil
	}
	byRank := make([]energy.NodeModel, len(rank))
	var seen []energy.NodeModel
	for r := range byRank {
		k := d.max(uint64(len(seen)))
		if d.err != nil {
			return nil
		}
		if k == uint64(len(seen)) {
			m := energy.NodeModel{Base: unit.Watts(d.float()), DeviceIdle: unit.Watts(d.float()), DeviceFull: unit.Watts(d.float()),
				PackageIdle: unit.Watts(d.float()), PackageFull: unit.Watts(d.float())}
			d.flags(&m.Linear)
			m.CPU, m.CoresPerPackage = unit.MilliCPU(d.int32()), int(d.int32())
			seen = append(seen, m)
		}
		byRank[r] = seen[k]
	}
	out := make([]energy.NodeModel, len(rank))
	for i, r := range rank {
		out[i] = byRank[r]
	}
	return out
}
