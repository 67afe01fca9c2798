package control

import (
	"encoding/binary"
	"time"

	"tianfu/fleet"
	"tianfu/job"
	"tianfu/sched"
	"tianfu/unit"
)

// appendDeferrals appends a plan in time. Spans follow each other, so each says
// how much later it begins and how long it is.
func appendDeferrals(b []byte, list []sched.Deferral) []byte {
	b = binary.AppendUvarint(b, uint64(len(list)))
	for i := range list {
		d := &list[i]
		b = binary.AppendUvarint(b, uint64(d.Job))
		b = appendString(b, d.Site)
		b = appendString(b, string(d.Model))
		b = appendInts(b, d.Saves.Carbon, d.Saves.Money)
		b = binary.AppendUvarint(b, uint64(len(d.Runs)))
		var end unit.Instant
		for _, r := range d.Runs {
			b = appendInts(b, int64(r.From-end), int64(r.To-r.From))
			end = r.To
		}
	}
	return b
}

func (d *reader) deferrals() []sched.Deferral {
	var out []sched.Deferral
	for range d.count() {
		v := sched.Deferral{Job: job.ID(d.uvarint()), Site: d.string()}
		v.Model = fleet.Model(d.string())
		d.ints(&v.Saves.Carbon, &v.Saves.Money)
		var end unit.Instant
		for range d.count() {
			r := sched.RunSpan{From: end + unit.Instant(d.varint())}
			r.To = r.From + unit.Instant(d.varint())
			end = r.To
			v.Runs = append(v.Runs, r)
		}
		if d.err != nil {
			return nil
		}
		out = append(out, v)
	}
	return out
}

func appendDeferring(b []byte, v *Deferring) []byte {
	for _, a := range v.Allowance {
		b = binary.AppendVarint(b, int64(a))
	}
	return b
}

func (d *reader) deferring() (v Deferring) {
	for i := range v.Allowance {
		v.Allowance[i] = time.Duration(d.varint())
	}
	return v
}
