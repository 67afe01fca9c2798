package sched

import (
	"math/bits"
	"time"

	"tianfu/unit"
)

// History is what was held in the past, averaged so that it counts half after
// each half-life: the exponential mean of what was held, as it stood at an
// instant. All of it is integers, so that every machine decides alike.
type History struct {
	Mean Totals // scaled by historyScale
	At   unit.Instant
}

// historyScale is one unit of a mean, as a shift: rounding must not eat what a
// short task adds.
const historyScale = 12

// halves has 2^(-1/2), 2^(-1/4), 2^(-1/8) ... in units of 2^-32.
var halves = [24]uint64{
	3037000500, 3611622603, 3938502376, 4112874773, 4202935003, 4248701965,
	4271771996, 4283353945, 4289156690, 4292061010, 4293513907, 4294240540,
	4294603903, 4294785595, 4294876445, 4294921870, 4294944583, 4294955939,
	4294961618, 4294964457, 4294965876, 4294966586, 4294966941, 4294967119,
}

// kept returns 2^(-age/halfLife) in units of 2^-32.
func kept(age, halfLife time.Duration) uint64 {
	whole := age / halfLife
	if whole >= 32 {
		return 0
	}
	f, rest := uint64(1)<<32, age%halfLife
	for _, half := range halves {
		if rest *= 2; rest >= halfLife { // a half-life is below a century: no overflow
			rest -= halfLife
			f = f * half >> 32
		}
	}
	return f >> whole
}

// until returns the history as it stands at an instant, of what held so much in
// between.
func (h History) until(at unit.Instant, held *Totals, halfLife time.Duration) History {
	if at <= h.At {
		return h
	}
	f := kept(at.Sub(h.At), halfLife)
	mix := func(mean, now int64) int64 { return part32(mean, f) + part32(now<<historyScale, 1<<32-f) }
	return History{Totals{mix(h.Mean.CPU, held.CPU), mix(h.Mean.Memory, held.Memory), mix(h.Mean.Milli, held.Milli)}, at}
}

// part32 returns v*f/2^32 of a v from 0 up.
func part32(v int64, f uint64) int64 {
	hi, lo := bits.Mul64(uint64(v), f)
	return int64(hi<<32 | lo>>32)
}

// Pass brings the history of a tenant or queue up to an instant, before what it
// holds changes. It is part of the fold.
func (u *Usage) Pass(at unit.Instant, halfLife time.Duration) {
	if halfLife > 0 {
		u.Past = u.Past.until(at, &u.Totals, halfLife)
	}
}

// MeanAt returns the mean of what was held, as it stands at an instant, in the
// units of Totals.
func (u *Usage) MeanAt(at unit.Instant, halfLife time.Duration) Totals {
	if halfLife == 0 {
		return Totals{}
	}
	m := u.Past.until(at, &u.Totals, halfLife).Mean
	return Totals{m.CPU >> historyScale, m.Memory >> historyScale, m.Milli >> historyScale}
}

// Code codes a history.
func (h *History) Code(x *Coder) {
	for _, v := range []*int64{&h.Mean.CPU, &h.Mean.Memory, &h.Mean.Milli} {
		Int(x, v)
	}
	Int(x, &h.At)
}

// past is what tenants and queues held before this cycle, where it counts.
type past struct {
	tenants, queues []Totals
}

// remember works the histories out once a cycle.
func (d *Decider) remember() {
	p := &d.past
	p.tenants, p.queues = p.tenants[:0], p.queues[:0]
	if d.HalfLife == 0 {
		return
	}
	for i := range d.Tenants {
		p.tenants = append(p.tenants, d.Tenants[i].MeanAt(d.now, d.HalfLife))
	}
	for i := range d.Quotas.count() {
		p.queues = append(p.queues, d.Quotas.queues[i].held.MeanAt(d.now, d.HalfLife))
	}
}

func (s *Quotas) count() int {
	if s == nil {
		return 0
	}
	return len(s.queues)
}

// share returns the dominant share of what is held now and was held in the past
// together.
func (d *Decider) share(u *Usage, past []Totals, k int16) int64 {
	if len(past) == 0 {
		return u.share(&d.Capacity.total)
	}
	m := &past[k]
	sum := Usage{Totals: Totals{u.CPU + m.CPU, u.Memory + m.Memory, u.Milli + m.Milli}, Weight: u.Weight}
	return sum.share(&d.Capacity.total)
}

// Pass brings the history of a queue up to an instant.
func (s *Quotas) Pass(queue int16, at unit.Instant, halfLife time.Duration) {
	if s != nil && queue != 0 {
		s.queues[queue].held.Pass(at, halfLife)
	}
}

// Code codes the histories of the queues; what they use follows from what runs.
func (s *Quotas) Code(x *Coder) {
	if s == nil {
		return
	}
	for k := range s.queues {
		s.queues[k].held.Past.Code(x)
	}
}

// Carry takes over the histories of queues that were declared before.
func (s *Quotas) Carry(old *Quotas, at unit.Instant, halfLife time.Duration) {
	if s == nil || old == nil {
		return
	}
	for k := 1; k < len(s.queues); k++ {
		if o := old.Number(s.queues[k].name); o != 0 {
			h := &old.queues[o].held
			h.Pass(at, halfLife)
			s.queues[k].held.Past = h.Past
		}
	}
}
