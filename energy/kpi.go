package energy

import (
	"fmt"
	"strings"
	"time"

	"tianfu/fault"
	"tianfu/unit"
)

// This file defines every facility metric once: the key performance indicators
// of ISO/IEC 30134, SCI of ISO/IEC 21031 and the grades of GB 40879. Reports,
// bills and metrics use these and nothing else. A metric whose divisor is zero
// or whose parts contradict each other is an Invalid error, never a number.

// Category says where IT energy was measured for a PUE (ISO/IEC 30134-2).
type Category uint8

// The categories: 1 at the output of the UPS, 2 at the output of the power
// distribution units, 3 at the input of the IT equipment. 0 is for a PUE that
// was not measured, such as a design figure.
const (
	Unmeasured Category = iota
	AtUPS
	AtPDU
	AtIT
)

// Period is a reporting period in the site's time zone, From inclusive, To
// exclusive. The zone decides what twelve months are.
type Period struct {
	From, To unit.Instant
	Zone     *time.Location
}

// IsYear reports whether the period is twelve calendar months.
func (p Period) IsYear() bool { return p.To == p.after(1, 0) }

func (p Period) after(years, months int) unit.Instant {
	return unit.Instant(p.local(p.From).AddDate(years, months, 0).UnixNano())
}

func (p Period) local(t unit.Instant) time.Time {
	zone := p.Zone
	if zone == nil {
		zone = time.UTC
	}
	return time.Unix(0, int64(t)).In(zone)
}

// String renders the first day and the day after the last.
func (p Period) String() string {
	return p.local(p.From).Format(time.DateOnly) + "/" + p.local(p.To).Format(time.DateOnly)
}

// PUE is a power usage effectiveness with what ISO/IEC 30134-2 asks to be
// reported with it.
type PUE struct {
	Value    float64
	Category Category
	Period   Period
	Part     string // subsystem of a pPUE; empty is the whole data centre
	Design   bool   // computed from a plan, not measured
}

// Name returns PUE1 to PUE3 for twelve months of the whole data centre, iPUE
// for a shorter time, pPUE for a part and dPUE for a plan.
func (p PUE) Name() string {
	switch {
	case p.Design:
		return "dPUE"
	case p.Part != "":
		return "pPUE(" + p.Part + ")"
	case !p.Period.IsYear():
		return fmt.Sprintf("iPUE%d", p.Category)
	}
	return fmt.Sprintf("PUE%d", p.Category)
}

// String renders name, value and period.
func (p PUE) String() string {
	s := fmt.Sprintf("%s = %.3f", p.Name(), p.Value)
	if p.Period.To > p.Period.From {
		s += " (" + p.Period.String() + ")"
	}
	return s
}

// MeasuredPUE returns E_DC / E_IT (ISO/IEC 30134-2), the energy of the whole
// data centre over that of its IT equipment, both over the period. More than
// twelve months is an error, since each year is reported on its own.
func MeasuredPUE(site, it unit.KWh, category Category, period Period) (PUE, error) {
	p := PUE{Category: category, Period: period}
	if category < AtUPS || category > AtIT {
		return p, fault.New(fault.Invalid, "PUE", "no category", "say where IT energy was measured: 1 at the UPS, 2 at the PDUs, 3 at the IT equipment")
	}
	if period.To <= period.From || period.To > period.after(1, 0) {
		return p, fault.New(fault.Invalid, "PUE", "the period "+period.String()+" is empty or longer than twelve months", "report each twelve months on their own")
	}
	v, err := effectiveness("PUE", site, it)
	p.Value = v
	return p, err
}

// PartialPUE returns pPUE = (E_sub + E_IT) / E_IT for one subsystem, such as
// its cooling, with the IT energy it serves.
func PartialPUE(part string, overhead, it unit.KWh, period Period) (PUE, error) {
	p := PUE{Part: part, Period: period}
	if strings.TrimSpace(part) == "" {
		return p, fault.Invalidf("pPUE", "the subsystem has no name")
	}
	v, err := effectiveness("pPUE", overhead+it, it)
	p.Value = v
	return p, err
}

// DesignPUE returns dPUE: planned E_DC / E_IT over a typical year.
func DesignPUE(site, it unit.KWh) (PUE, error) {
	v, err := effectiveness("dPUE", site, it)
	return PUE{Value: v, Design: true}, err
}

func effectiveness(what string, site, it unit.KWh) (float64, error) {
	if !(it > 0) {
		return 0, fault.Invalidf(what, "IT energy is %g kWh, must be above 0", float64(it))
	}
	if site < it {
		return 0, fault.Invalidf(what, "the site's %g kWh are less than its IT's %g kWh", float64(site), float64(it))
	}
	return float64(site / it), nil
}

// REF returns the renewable energy factor (ISO/IEC 30134-3): renewable energy
// owned, made on site or bought with certificates, over E_DC; at most 1, since
// what is sold on does not count.
func REF(renewable, site unit.KWh) (float64, error) {
	r, err := share("REF", float64(renewable), float64(site))
	return min(r, 1), err
}

// ERF returns the energy reuse factor (ISO/IEC 30134-6): energy used again
// outside the data centre over E_DC, 0..1.
func ERF(reused, site unit.KWh) (float64, error) {
	r, err := share("ERF", float64(reused), float64(site))
	if err == nil && r > 1 {
		return 0, fault.Invalidf("ERF", "more energy is reused (%g kWh) than the site took in (%g kWh)", float64(reused), float64(site))
	}
	return r, err
}

// ERE returns the energy reuse effectiveness (The Green Grid):
// PUE x (1 - ERF), which may fall below 1.
func ERE(pue, erf float64) float64 { return pue * (1 - erf) }

// CER returns the cooling efficiency ratio (ISO/IEC 30134-7): heat removed over
// the electricity of the cooling system, both over the same period.
func CER(heat, cooling unit.KWh) (float64, error) {
	return share("CER", float64(heat), float64(cooling))
}

// CUE returns the carbon usage effectiveness (ISO/IEC 30134-8): kg of CO2 of
// all the data centre's energy per kWh of IT energy.
func CUE(kgCO2 float64, it unit.KWh) (float64, error) { return share("CUE", kgCO2, float64(it)) }

// CUEFromGrid returns PUE x grid factor in kg per kWh of IT energy, which is
// the CUE where all power comes from the grid.
func CUEFromGrid(pue float64, factor unit.KgPerKWh) float64 { return pue * float64(factor) }

// WUE returns the water usage effectiveness (ISO/IEC 30134-9): litres used on
// site per kWh of IT energy.
func WUE(litres float64, it unit.KWh) (float64, error) { return share("WUE", litres, float64(it)) }

// SourceWUE returns WUE + EWIF x PUE in litres per kWh of IT energy. EWIF is
// the water that making the electricity used, in litres per kWh.
func SourceWUE(wue, pue, ewif float64) float64 { return wue + ewif*pue }

// SCI returns the software carbon intensity (ISO/IEC 21031:2024),
// (E x I + M) per R, in kg per functional unit: operational energy times the
// location's intensity, plus embodied carbon. Offsets and certificates have no
// place in it, so neither has a parameter.
func SCI(energy unit.KWh, intensity unit.KgPerKWh, embodiedKg, units float64) (float64, error) {
	if energy < 0 || intensity < 0 || embodiedKg < 0 {
		return 0, fault.Invalidf("SCI", "energy, intensity and embodied carbon must not be negative")
	}
	return share("SCI", float64(energy)*float64(intensity)+embodiedKg, units)
}

func share(what string, part, whole float64) (float64, error) {
	if !(whole > 0) {
		return 0, fault.Invalidf(what, "the divisor is %g, must be above 0", whole)
	}
	if !(part >= 0) {
		return 0, fault.Invalidf(what, "%g is negative", part)
	}
	return part / whole, nil
}

// Grade is a grade of GB 40879-2021; 0 is above the limit of grade 3.
type Grade uint8

// GradeOf returns the grade of GB 40879-2021 (in force since 2022-11-01) for a
// PUE, and how far the PUE lies below the limit that a centre must keep, 1.50;
// negative is above it. The standard's limits are 1.20, 1.30 and 1.50.
func GradeOf(pue float64) (grade Grade, margin float64) {
	limits := [...]float64{1.20, 1.30, 1.50}
	margin = limits[2] - pue
	for i, limit := range limits {
		if pue <= limit {
			return Grade(i + 1), margin
		}
	}
	return 0, margin
}

// String renders the grade.
func (g Grade) String() string {
	if g == 0 {
		return "above the limit"
	}
	return fmt.Sprintf("grade %d", uint8(g))
}
