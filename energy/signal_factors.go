package energy

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"slices"
	"strings"
	"time"

	"tianfu/fault"
	"tianfu/unit"
)

// FactorKind says what an official factor counts. Kinds are different
// quantities and never stand in for each other.
type FactorKind string

// The kinds that China's notices publish.
const (
	AverageFactor         FactorKind = "average"                                    // CO2 of all generation in the region
	AverageWithoutTraded  FactorKind = "average excluding market-traded non-fossil" // what is left after green power is sold by contract
	FossilFactor          FactorKind = "fossil power"
	LifeCycleFactorOfGrid FactorKind = "life-cycle footprint" // kg of CO2e, a product-footprint figure
)

// Scope returns whether factors of this kind cover the whole life cycle.
func (k FactorKind) Scope() Scope {
	if k == LifeCycleFactorOfGrid {
		return LifeCycle
	}
	return Direct
}

// Factor is one official figure.
type Factor struct {
	Year      int           `json:"year"`
	Region    string        `json:"region"`
	Kind      FactorKind    `json:"kind"`
	Value     unit.KgPerKWh `json:"kg_per_kwh"`
	Issuer    string        `json:"issuer"`    // and document
	Published string        `json:"published"` // date; may be empty
}

// FactorTable holds official factors.
type FactorTable struct{ rows []Factor }

// Rows lists the factors by region, kind and year.
func (t *FactorTable) Rows() []Factor { return slices.Clone(t.rows) }

// For returns the factor of the first region that has one of the kind for the
// year or an earlier one; the latest such year wins. Regions go from near to
// far: Sichuan, Southwest grid, national. Later years are never used.
func (t *FactorTable) For(regions []string, year int, kind FactorKind) (Factor, bool) {
	for _, region := range regions {
		best := -1
		for i, f := range t.rows {
			if f.Region == region && f.Kind == kind && f.Year <= year && (best < 0 || f.Year > t.rows[best].Year) {
				best = i
			}
		}
		if best >= 0 {
			return t.rows[best], true
		}
	}
	return Factor{}, false
}

// NewFactorTable sorts and checks factors: one for each region, kind and year,
// none negative.
func NewFactorTable(rows []Factor) (*FactorTable, error) {
	t := &FactorTable{rows: slices.Clone(rows)}
	slices.SortStableFunc(t.rows, func(a, b Factor) int {
		if c := strings.Compare(a.Region, b.Region); c != 0 {
			return c
		}
		if c := strings.Compare(string(a.Kind), string(b.Kind)); c != 0 {
			return c
		}
		return a.Year - b.Year
	})
	for i, f := range t.rows {
		where := fmt.Sprintf("factor %s %d", f.Region, f.Year)
		switch {
		case f.Region == "" || f.Issuer == "" || f.Year < 1990 || f.Year > 2200:
			return nil, fault.New(fault.Invalid, where, "incomplete", "a factor has a year, a region and an issuer")
		case !(f.Value >= 0 && f.Value <= maxKgPerKWh):
			return nil, fault.New(fault.Invalid, where, fmt.Sprintf("%g kg/kWh is outside 0 to %d", float64(f.Value), maxKgPerKWh), "the unit is kg per kWh")
		case i > 0 && t.rows[i-1].Region == f.Region && t.rows[i-1].Kind == f.Kind && t.rows[i-1].Year == f.Year:
			return nil, fault.Invalidf(where, "%s is given twice", f.Kind)
		}
	}
	return t, nil
}

// maxKgPerKWh is above what any way of making electricity emits; more is a
// wrong unit.
const maxKgPerKWh = 3

// The notices of China's Ministry of Ecology and Environment (MEE) and National
// Bureau of Statistics (NBS). The annexes were not reachable when these figures
// were entered: they come from several public quotations that agree.
const (
	notice2021      = "MEE+NBS announcement 2024 No.12"
	notice2022      = "MEE+NBS announcement 2024 No.33 (mee.gov.cn 202412/t20241226_1099413.html)"
	notice2023      = "MEE+NBS announcement 2025 No.47 (mee.gov.cn 202512/t20251231_1139517.html)"
	noticeLifeCycle = "MEE life-cycle footprint factors (mee.gov.cn 202510/t20251024_1130734.html)"
)

// BuiltInFactors returns the official Chinese electricity factors for the
// nation, the Southwest grid and the provinces of the south-west.
func BuiltInFactors() *FactorTable {
	const d21, d22, d23, life = "2024-04-12", "2024-12-20", "2025-12-31", "2025-10-24"
	t, err := NewFactorTable([]Factor{
		{2021, "national", AverageFactor, 0.5568, notice2021, d21},
		{2021, "Sichuan", AverageFactor, 0.1255, notice2021, d21},
		{2021, "Chongqing", AverageFactor, 0.4743, notice2021, d21},
		{2022, "national", AverageFactor, 0.5366, notice2022, d22},
		{2022, "Sichuan", AverageFactor, 0.1404, notice2022, d22},
		{2022, "Chongqing", AverageFactor, 0.5227, notice2022, d22},
		{2023, "national", AverageFactor, 0.5306, notice2023, d23},
		{2023, "national", AverageWithoutTraded, 0.6096, notice2023, d23},
		{2023, "national", FossilFactor, 0.8273, notice2023, d23},
		{2023, "Southwest grid", AverageFactor, 0.2472, notice2023, d23},
		{2023, "Sichuan", AverageFactor, 0.1564, notice2023, d23},
		{2023, "Chongqing", AverageFactor, 0.5581, notice2023, d23},
		{2023, "Yunnan", AverageFactor, 0.1333, notice2023, d23},
		{2023, "Guizhou", AverageFactor, 0.5683, notice2023, d23},
		{2023, "national", LifeCycleFactorOfGrid, 0.6205, noticeLifeCycle, life},
		{2024, "national", LifeCycleFactorOfGrid, 0.5777, noticeLifeCycle, life},
	})
	if err != nil {
		panic(err) // the table above is part of the program
	}
	return t
}

// MaxFactorRows bounds a factor file.
const MaxFactorRows = 10_000

// ParseFactors reads a factor table from a CSV with the columns year, region,
// kind, kgco2_per_kwh, issuer_document and published.
func ParseFactors(name string, text []byte) (*FactorTable, error) {
	const columns = "year,region,kind,kgco2_per_kwh,issuer_document,published"
	r := csv.NewReader(bytes.NewReader(text))
	header, err := r.Read()
	if err != nil {
		return nil, csvFault(name, err, columns)
	}
	if got := strings.Join(header, ","); got != columns {
		return nil, fault.New(fault.Invalid, name+":1", fmt.Sprintf("columns %q", got), "a factor file has the columns "+columns)
	}
	var rows []Factor
	err = eachRow(name, r, MaxFactorRows, func(line int, row []string) error {
		where := lineOf(name, line)
		year, err := bounded(where, "year", row[0], 1990, 2200)
		if err != nil {
			return err
		}
		v, err := bounded(where, "kgco2_per_kwh", row[3], 0, maxKgPerKWh)
		if err != nil {
			return err
		}
		if _, err := time.Parse(time.DateOnly, row[5]); row[5] != "" && err != nil {
			return fault.Invalidf(where, "published %q is not a date such as 2025-12-31", row[5])
		}
		// Notices call a province's and a region's figure "provincial average"
		// and "regional average"; the region already says that.
		kind := strings.TrimPrefix(strings.TrimPrefix(row[2], "provincial "), "regional ")
		rows = append(rows, Factor{int(year), row[1], FactorKind(kind), unit.KgPerKWh(v), row[4], row[5]})
		return nil
	})
	if err != nil {
		return nil, err
	}
	t, err := NewFactorTable(rows)
	if err != nil {
		return nil, fault.Wrap(err, name, "factor table")
	}
	return t, nil
}
