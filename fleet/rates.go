package fleet

import "tianfu/unit"

// Rates is the centre's rate card: what is due for an hour of what is held,
// beside energy at its tariff.
type Rates struct {
	at
	CpuHour    unit.Yuan // of a logical CPU; spelt so that its key is cpu_hour
	MemoryHour unit.Yuan // of a GiB
	Devices    []DeviceRate
}

// DeviceRate is the price of an accelerator-hour.
type DeviceRate struct {
	at
	Model Model // empty = of every model without a rate of its own
	Hour  unit.Yuan
}

// maxRate bounds a price for an hour, in yuan.
const maxRate = 100_000

func (b *builder) rates() {
	r := &b.w.Rates
	for _, v := range []unit.Yuan{r.CpuHour, r.MemoryHour} {
		b.rate(r.line, v)
	}
	seen := map[Model]bool{}
	for i := range r.Devices {
		d := &r.Devices[i]
		b.rate(d.line, d.Hour)
		if seen[d.Model] {
			b.fail(d.line, "remove one of them", "accelerator %q has two rates", d.Model)
		}
		seen[d.Model] = true
		if d.Model != "" && b.w.Catalogue.Accelerator(d.Model) == nil {
			b.fail(d.line, "see tianfu catalogue list", "accelerator %q is not in the catalogue", d.Model)
		}
	}
}

func (b *builder) rate(line int, v unit.Yuan) {
	if !(v >= 0 && v <= maxRate) {
		b.fail(line, "write it like 0.05yuan", "a rate of %v an hour", v)
	}
}
