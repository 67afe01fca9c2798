package control

import (
	"encoding/binary"
	"time"

	"tianfu/fault"
	"tianfu/job"
	"tianfu/sched"
)

// route finds the queue of a submission. With queues declared it must be one
// of its tenant's; a spec that names none goes to the tenant's default and is
// recorded with its name.
func (s *State) route(spec *job.Spec) (*job.Spec, error) {
	q := s.cfg.Queueing
	if q == nil || len(q.Queues) == 0 {
		return spec, nil
	}
	k, err := q.Route(spec)
	if err != nil {
		return nil, fault.Wrap(err, "job "+spec.Name, "submit")
	}
	if spec.Queue == "" {
		named := *spec // the driver's own stays as it came
		named.Queue = q.Queues[k].Name
		spec = &named
	}
	return spec, nil
}

// owner returns the numbers of a job's tenant and queue.
func (s *State) owner(spec *job.Spec) sched.Owner {
	return sched.Owner{Tenant: s.tenant(spec.Tenant), Queue: s.quotas.Number(spec.Queue)}
}

// charge enters a running allocation into the use of its queue (sign 1), or
// takes it out (-1).
func (s *State) charge(id sched.AllocID, sign int64) {
	if s.quotas != nil {
		a := s.cap.Alloc(id)
		s.quotas.Pass(a.Queue, s.now, s.cfg.halfLife())
		s.quotas.Add(a, s.cap.ModelOf(a.Node), sign)
	}
}

// halfLife returns how long what was held counts half; 0 = it does not count.
func (c *Config) halfLife() time.Duration {
	if c.Queueing == nil {
		return 0
	}
	return c.Queueing.HalfLife
}

// use enters a running allocation into what a tenant holds (sign 1), or takes
// it out (-1).
func (s *State) use(tenant int16, id sched.AllocID, sign int64) {
	u := &s.tenants[tenant]
	u.Pass(s.now, s.cfg.halfLife())
	u.Add(s.cap.Alloc(id), sign)
}

// weightOf returns the weight of a tenant's fair share.
func (c *Config) weightOf(t job.Tenant) int64 {
	if w, ok := c.Weights[t]; ok || c.Queueing == nil {
		return max(w, 1)
	}
	for i := range c.Queueing.Tenants {
		if c.Queueing.Tenants[i].Name == t {
			return max(c.Queueing.Tenants[i].Weight, 1)
		}
	}
	return 1
}

// The parts of a configuration that came after the first logs. A flag says that
// some follow; each stands behind its number and is left out when it says
// nothing, so that logs without it keep their bytes. Never reuse a number.
const (
	partsEnd      = 0
	partQueueing  = 1
	partPower     = 2
	partBookings  = 3
	partDeferring = 30
	partMetering  = 35
	partTasks     = 40
	partBudgets   = 45
	partPortions  = 50
	partZones     = 55
)

func (c *Config) hasParts() bool {
	return c.Queueing != nil || len(c.Bookings) > 0 || c.Tree != nil || c.Deferring != Deferring{} || c.Metering.Every > 0 || c.boundsTasks() || len(c.DayBudgets) > 0
}

func appendParts(b []byte, c *Config) []byte {
	if !c.hasParts() {
		return b
	}
	if c.Queueing != nil {
		b = appendQueueing(append(b, partQueueing), c.Queueing)
	}
	if c.Tree != nil {
		b = appendTree(append(b, partPower), c.Tree)
	}
	if len(c.Bookings) > 0 {
		b = appendBookings(append(b, partBookings), c.Bookings)
	}
	if c.Deferring != (Deferring{}) {
		b = appendDeferring(append(b, partDeferring), &c.Deferring)
	}
	if c.Metering.Every > 0 {
		b = appendInts(append(b, partMetering), int64(c.Metering.Every), int64(c.Metering.Lag))
	}
	if c.boundsTasks() {
		b = appendNodeTasks(append(b, partTasks), c.Fleet)
	}
	if len(c.DayBudgets) > 0 {
		b = appendDayBudgets(append(b, partBudgets), c.DayBudgets)
	}
	if hasPortions(c.Bookings) {
		b = appendPortions(append(b, partPortions), c.Bookings)
	}
	if c.Metering.Every > 0 && len(c.Metering.Zones) > 0 {
		b = appendSiteZones(append(b, partZones), c.Metering.Zones)
	}
	return append(b, partsEnd)
}

// parts reads the parts of a configuration.
func (d *reader) parts(c *Config) {
	last := byte(0)
	for d.err == nil {
		part := d.byte()
		switch {
		case part == partsEnd && last > 0:
			return
		case part <= last:
			d.fail("part %d of the configuration is out of order", part)
			return
		}
		last = part
		switch part {
		case partBookings:
			c.Bookings = d.bookings()
		case partQueueing:
			c.Queueing = d.queueing()
		case partDeferring:
			c.Deferring = d.deferring()
		case partMetering:
			c.Metering = d.metering()
		case partPower:
			c.Tree = d.tree()
		case partTasks:
			d.nodeTasks(c.Fleet)
		case partBudgets:
			c.DayBudgets = d.dayBudgets()
		case partPortions:
			d.portions(c.Bookings)
		case partZones:
			c.Metering.Zones = d.siteZones()
		default:
			d.fail("part %d of the configuration is not known: it was written by a newer version", part)
		}
	}
}

func appendQueueing(b []byte, q *job.Queueing) []byte {
	b = binary.AppendUvarint(b, uint64(q.HalfLife))
	b = binary.AppendUvarint(b, uint64(len(q.Tenants)))
	for i := range q.Tenants {
		b = binary.AppendUvarint(appendString(b, string(q.Tenants[i].Name)), uint64(q.Tenants[i].Weight))
	}
	b = binary.AppendUvarint(b, uint64(len(q.Queues)))
	for i := range q.Queues {
		r := &q.Queues[i]
		b = appendString(appendString(b, string(r.Name)), r.Cohort)
		b = append(b, flags(r.Default))
		b = binary.AppendUvarint(b, uint64(r.Weight))
		b = binary.AppendVarint(binary.AppendVarint(b, int64(r.MinPriority)), int64(r.MaxPriority))
		b = binary.AppendUvarint(b, uint64(len(r.Tenants)))
		for _, t := range r.Tenants {
			b = appendString(b, string(t))
		}
		for _, list := range [][]job.Amount{r.Guaranteed, r.Borrow, r.Lend} {
			b = binary.AppendUvarint(b, uint64(len(list)))
			for _, a := range list {
				b = binary.AppendUvarint(appendString(b, a.Resource), uint64(a.Units))
			}
		}
	}
	return b
}

func (d *reader) queueing() *job.Queueing {
	q := &job.Queueing{HalfLife: time.Duration(d.uvarint())}
	for range d.count() {
		q.Tenants = append(q.Tenants, job.TenantRule{Name: job.Tenant(d.string()), Weight: int64(d.uvarint())})
	}
	for range d.count() {
		r := job.QueueRule{Name: job.Queue(d.string()), Cohort: d.string()}
		d.flags(&r.Default)
		r.Weight = int64(d.uvarint())
		r.MinPriority, r.MaxPriority = int32(d.varint()), int32(d.varint())
		for range d.count() {
			r.Tenants = append(r.Tenants, job.Tenant(d.string()))
		}
		for _, list := range []*[]job.Amount{&r.Guaranteed, &r.Borrow, &r.Lend} {
			for range d.count() {
				*list = append(*list, job.Amount{Resource: d.string(), Units: int64(d.uvarint())})
			}
		}
		q.Queues = append(q.Queues, r)
	}
	return q
}
