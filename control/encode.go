package control

import (
	"encoding/binary"
	"math"
	"slices"

	"tianfu/energy"
	"tianfu/fault"
	"tianfu/fleet"
	"tianfu/job"
	"tianfu/sched"
	"tianfu/unit"
)

var errNotOpened = fault.New(fault.Invalid, "record log", "does not begin with the record that opens a centre", "restore the log from its start")

// AppendRecord appends the canonical bytes of a record, as a store persists
// them: the kind, the instant, and what the kind carries, integers as varints.
// They hold no wall time of the writer, path, version or metric, so equal
// histories have equal bytes on every machine.
func AppendRecord(b []byte, r *Record) []byte {
	b = append(b, byte(r.Kind))
	b = binary.AppendVarint(b, int64(r.At))
	switch r.Kind {
	case Opened, Configured:
		return appendConfig(b, r.Config)
	case Submitted:
		b = binary.AppendUvarint(b, uint64(r.Job))
		return appendSpec(b, r.Spec)
	case Allocated:
		b = appendTask(b, r)
		b = binary.AppendUvarint(b, uint64(r.Node))
		b = binary.AppendUvarint(b, uint64(r.Devices))
		b = binary.AppendUvarint(b, uint64(r.Share))
		b = binary.AppendUvarint(b, uint64(r.CPU))
		b = binary.AppendUvarint(b, uint64(r.Memory))
		b = binary.AppendUvarint(b, uint64(r.Profile))
		return binary.AppendVarint(b, int64(r.End))
	case Evicting:
		b = append(appendTask(b, r), byte(r.Cause))
		return binary.AppendUvarint(b, uint64(r.For))
	case Ended:
		b = binary.AppendUvarint(append(appendTask(b, r), byte(r.Ending)), uint64(r.Node))
		return appendExit(b, r.Exit)
	case JobExpired:
		b = binary.AppendUvarint(b, uint64(r.Job))
		return appendReason(b, &r.Reason)
	case JobCancelled:
		b = append(binary.AppendUvarint(b, uint64(r.Job)), byte(r.Cancel))
		return binary.AppendUvarint(b, uint64(r.For))
	case Released:
		return binary.AppendUvarint(b, uint64(r.Job))
	case Reserved:
		return appendReservation(b, r.Held)
	case OthersReserved:
		b = binary.AppendUvarint(b, uint64(len(r.Others)))
		for i := range r.Others {
			b = appendReservation(b, &r.Others[i])
		}
		return b
	case Booked:
		return r.Booked.append(b)
	case Unbooked:
		return appendString(b, r.Name)
	case NodeChanged:
		b = binary.AppendUvarint(b, uint64(r.Node))
		b = binary.AppendVarint(b, int64(r.Device))
		return append(b, byte(r.Health), flags(r.Cordon, r.Drain))
	case NodeShort:
		return append(binary.AppendUvarint(b, uint64(r.Node)), flags(r.Short))
	case ShiftPlanned:
		return appendDeferrals(b, r.Deferrals)
	case DeadlineAtRisk, DeadlineMissed:
		return appendReason(binary.AppendUvarint(b, uint64(r.Job)), &r.Reason)
	case SiteHoursKnown:
		return appendSiteHours(appendString(b, r.Site), r.Hours)
	case PowerTold, BudgetSet, NodePowered, TaskPaused, PowerShed:
		return appendPowerRecord(b, r)
	case Moved:
		b = appendTask(b, r)
		b = binary.AppendUvarint(b, uint64(r.Node))
		return binary.AppendUvarint(b, uint64(r.Devices))
	case Metered:
		return appendPage(b, r.Page)
	case EnergyRead:
		return appendReading(binary.AppendVarint(b, int64(r.Node)), r.Reading)
	}
	panic("control: record of an unknown kind")
}

func appendTask(b []byte, r *Record) []byte {
	b = binary.AppendUvarint(b, uint64(r.Job))
	b = binary.AppendUvarint(b, uint64(r.Task))
	return binary.AppendUvarint(b, uint64(r.Attempt))
}

// appendExit appends a single 0 for an end that no engine told of.
func appendExit(b []byte, e *Exit) []byte {
	if e == nil {
		return append(b, 0)
	}
	b = binary.AppendVarint(append(b, 1), int64(e.Code))
	b = appendString(b, e.Detail)
	for _, v := range []int64{e.Usage.CPUMicros, e.Usage.MemoryPeak, e.Usage.ByteSeconds, e.Usage.WallMicros} {
		b = binary.AppendVarint(b, v)
	}
	return b
}

func appendString(b []byte, s string) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

func flags(on ...bool) byte {
	var f byte
	for i, v := range on {
		if v {
			f |= 1 << i
		}
	}
	return f
}

// firstCauses is how many causes the first logs knew; moreReason marks a reason
// with something that came later, so that reasons without it keep their bytes.
const (
	firstCauses = 14
	moreReason  = 0x80
)

func appendReason(b []byte, r *sched.Reason) []byte {
	more := r.Excluded[firstCauses:]
	for len(more) > 0 && more[len(more)-1] == 0 {
		more = more[:len(more)-1]
	}
	at := len(b)
	b = append(b, byte(r.Dominant))
	b = binary.AppendUvarint(b, uint64(r.Considered))
	for _, n := range r.Excluded[:firstCauses] {
		b = binary.AppendUvarint(b, uint64(n))
	}
	b = binary.AppendUvarint(b, uint64(r.Ahead))
	q := &r.Quota
	if len(more) == 0 && q.Resource == "" {
		return b
	}
	b[at] |= moreReason
	b = binary.AppendUvarint(b, uint64(len(more)))
	for _, n := range more {
		b = binary.AppendUvarint(b, uint64(n))
	}
	if p := &r.Short; r.Excluded[sched.PowerCap] > 0 {
		b = append(appendInts(b, int64(p.Area), p.Need, p.Draw, p.Budget), flags(p.Behind))
	}
	if o := &r.Over; r.Excluded[sched.OverBudget] > 0 {
		b = append(appendInts(b, int64(o.Budget), o.Need, o.Spent, o.Committed, o.Limit, int64(o.Renews)), flags(o.Carbon, o.NextDay))
	}
	b = appendString(b, q.Resource)
	for _, v := range []int64{q.Asked, q.Used, q.Guaranteed, q.Borrowable} {
		b = binary.AppendVarint(b, v)
	}
	return b
}

func appendReservation(b []byte, r *sched.Reservation) []byte {
	if r == nil {
		return append(b, 0)
	}
	b = append(b, 1)
	b = binary.AppendUvarint(b, uint64(r.Job))
	b = binary.AppendVarint(b, int64(r.At))
	b = binary.AppendUvarint(b, uint64(len(r.Nodes)))
	for i := range r.Nodes {
		b = binary.AppendUvarint(b, uint64(r.Nodes[i].Node))
		b = binary.AppendUvarint(b, uint64(len(r.Nodes[i].Tasks)))
		for _, n := range r.Nodes[i].Tasks {
			b = binary.AppendUvarint(b, uint64(n))
		}
	}
	return b
}

// appendSiteHours appends steps; each begins where the one before ended, or
// says how much later.
func appendSiteHours(b []byte, hours []energy.SiteHour) []byte {
	b = binary.AppendUvarint(b, uint64(len(hours)))
	var end unit.Instant
	for i := range hours {
		h := &hours[i]
		b = binary.AppendVarint(b, int64(h.From-end))
		b = binary.AppendVarint(b, int64(h.To-h.From))
		end = h.To
		figures := [...]int64{h.CarbonLocation, h.CarbonMarket, h.CarbonMarginal, h.Price, h.PUE, h.Water}
		known := byte(0)
		for k, v := range figures {
			if v != energy.NoData {
				known |= 1 << k
			}
		}
		b = append(b, known, flags(h.Forecast))
		for _, v := range figures {
			if v != energy.NoData {
				b = binary.AppendVarint(b, v)
			}
		}
	}
	return b
}

func appendSpec(b []byte, s *job.Spec) []byte {
	b = appendString(b, s.Name)
	b = appendString(b, string(s.Tenant))
	b = appendString(b, string(s.Queue))
	b = append(b, byte(s.Class), flags(s.Gang, s.Preemptible, s.Deadline != 0, s.Suspendable, s.Wish != job.NoWish || s.Pausable, s.Array), byte(s.Topology.Mode), byte(s.Topology.Level))
	b = binary.AppendVarint(b, int64(s.Priority))
	b = binary.AppendVarint(b, int64(s.ExpectedRun))
	b = binary.AppendVarint(b, int64(s.StartBy))
	if s.Deadline != 0 { // behind a flag, so that logs without it keep their bytes
		b = binary.AppendVarint(b, int64(s.Deadline))
	}
	if s.Wish != job.NoWish || s.Pausable { // likewise
		b = binary.AppendUvarint(append(b, byte(s.Wish), flags(s.Pausable)), uint64(s.CarbonPrice))
	}
	if s.Array { // likewise
		b = binary.AppendUvarint(b, uint64(s.Parallel))
	}
	b = binary.AppendUvarint(b, uint64(len(s.ExpectedRunOn)))
	if len(s.ExpectedRunOn) > 0 {
		models := make([]string, 0, len(s.ExpectedRunOn))
		for m := range s.ExpectedRunOn {
			models = append(models, string(m))
		}
		slices.Sort(models)
		for _, m := range models {
			b = appendString(b, m)
			b = binary.AppendVarint(b, int64(s.ExpectedRunOn[fleet.Model(m)]))
		}
	}
	b = binary.AppendUvarint(b, uint64(len(s.Groups)))
	for i := range s.Groups {
		b = appendGroup(b, &s.Groups[i])
	}
	b = binary.AppendUvarint(b, uint64(s.Retries))
	b = binary.AppendVarint(b, int64(s.Backoff))
	b = binary.AppendUvarint(b, uint64(len(s.After)))
	for _, d := range s.After {
		b = append(binary.AppendUvarint(b, uint64(d.Job)), flags(d.AnyEnd))
	}
	b = appendString(b, s.Key)
	b = binary.AppendUvarint(b, uint64(len(s.Work)))
	return append(b, s.Work...)
}

func appendGroup(b []byte, g *job.Group) []byte {
	r := &g.Request
	b = appendString(b, g.Name)
	b = binary.AppendUvarint(b, uint64(g.Count))
	b = binary.AppendUvarint(b, uint64(r.CPU))
	b = binary.AppendUvarint(b, uint64(r.Memory))
	b = binary.AppendUvarint(b, uint64(r.Accelerators))
	b = binary.AppendUvarint(b, uint64(r.Share))
	b = appendString(b, r.Partition)
	b = binary.AppendUvarint(b, uint64(len(r.Models)))
	for _, m := range r.Models {
		b = appendString(b, string(m))
	}
	b = binary.AppendUvarint(b, uint64(r.Capability.MinMemory))
	b = appendString(b, r.Capability.Stack)
	b = binary.AppendUvarint(b, uint64(len(r.Capability.Precisions)))
	for _, p := range r.Capability.Precisions {
		b = appendString(b, p)
	}
	return b
}

// appendConfig appends the fleet by rank, then the policy, its parameters and
// the rules.
func appendConfig(b []byte, c *Config) []byte {
	b = appendString(b, c.Fleet.Name)
	b = binary.AppendUvarint(b, uint64(len(c.Fleet.Nodes)))
	byRank := make([]int32, len(c.Fleet.Nodes))
	for i := range byRank {
		r := int32(i)
		if c.Rank != nil {
			r = c.Rank[i]
		}
		byRank[r] = int32(i)
	}
	for _, i := range byRank {
		n := &c.Fleet.Nodes[i]
		b = binary.AppendUvarint(b, uint64(i))
		for _, s := range []string{string(n.ID), n.SKU, string(n.Model), n.Place.Site, n.Place.Building, n.Place.Hall, n.Place.Row, n.Place.Rack, n.Segment, n.Pod, n.Rail} {
			b = appendString(b, s)
		}
		b = binary.AppendUvarint(b, uint64(n.CPU))
		b = binary.AppendUvarint(b, uint64(n.Memory))
		b = append(b, byte(n.Health), flags(n.Cordoned, n.Drain))
		b = binary.AppendUvarint(b, uint64(len(n.Devices)))
		for _, d := range n.Devices {
			b = append(b, byte(d.Health), flags(d.Cordoned))
		}
		b = binary.AppendUvarint(b, uint64(len(n.Maintenance)))
		for _, w := range n.Maintenance {
			b = binary.AppendVarint(b, int64(w.From))
			b = binary.AppendVarint(b, int64(w.To))
		}
	}
	b = appendTraits(b, c.Fleet.Traits)
	b = appendPower(b, c.Power, byRank)
	b = appendString(b, c.Policy)
	b = append(b, byte(c.Rules.Backfill), flags(c.Rules.Preempt, c.hasParts()))
	b = binary.AppendUvarint(b, uint64(c.Rules.Depth))
	b = binary.AppendUvarint(b, c.Params.Seed)
	b = binary.AppendUvarint(b, uint64(len(c.Params.Typical)))
	for i := range c.Params.Typical {
		t := &c.Params.Typical[i]
		b = appendGroup(b, &job.Group{Count: int(t.Weight), Request: job.Request{
			CPU: t.CPU, Accelerators: t.Count, Share: t.Share, Models: t.Models,
		}})
	}
	return appendParts(appendWeights(b, c.Weights), c)
}

// appendTraits appends what is known of the models, by name.
func appendTraits(b []byte, traits map[fleet.Model]fleet.Traits) []byte {
	names := make([]string, 0, len(traits))
	for m := range traits {
		names = append(names, string(m))
	}
	slices.Sort(names)
	b = binary.AppendUvarint(b, uint64(len(names)))
	for _, m := range names {
		t := traits[fleet.Model(m)]
		b = appendString(b, m)
		b = binary.AppendUvarint(b, uint64(t.Memory))
		b = appendString(b, t.Stack)
		b = appendString(b, t.Maker)
		b = binary.AppendUvarint(b, math.Float64bits(t.FP16TFLOPS))
		b = binary.AppendUvarint(b, uint64(len(t.Precisions)))
		for _, p := range t.Precisions {
			b = appendString(b, p)
		}
		b = binary.AppendUvarint(b, uint64(t.ComputeSlices))
		b = binary.AppendUvarint(b, uint64(t.MemorySlices))
		b = binary.AppendUvarint(b, uint64(len(t.Profiles)))
		for _, p := range t.Profiles {
			b = appendString(b, p.Name)
			b = binary.AppendUvarint(b, uint64(p.Compute))
			b = binary.AppendUvarint(b, uint64(p.Memory))
		}
	}
	return b
}

// appendPower appends the power model of every node by rank: the first of equal
// ones in full, the others by its number.
func appendPower(b []byte, models []energy.NodeModel, byRank []int32) []byte {
	if models == nil {
		return append(b, 0)
	}
	b = append(b, 1)
	seen := map[energy.NodeModel]uint64{}
	for _, i := range byRank {
		m := models[i]
		if k, ok := seen[m]; ok {
			b = binary.AppendUvarint(b, k)
			continue
		}
		b = binary.AppendUvarint(b, uint64(len(seen)))
		seen[m] = uint64(len(seen))
		for _, w := range []unit.Watts{m.Base, m.DeviceIdle, m.DeviceFull, m.PackageIdle, m.PackageFull} {
			b = binary.AppendUvarint(b, math.Float64bits(float64(w)))
		}
		b = append(b, flags(m.Linear))
		b = binary.AppendUvarint(b, uint64(m.CPU))
		b = binary.AppendUvarint(b, uint64(m.CoresPerPackage))
	}
	return b
}

func appendWeights(b []byte, w map[job.Tenant]int64) []byte {
	names := make([]string, 0, len(w))
	for t := range w {
		names = append(names, string(t))
	}
	slices.Sort(names)
	b = binary.AppendUvarint(b, uint64(len(names)))
	for _, t := range names {
		b = appendString(b, t)
		b = binary.AppendVarint(b, w[job.Tenant(t)])
	}
	return b
}
