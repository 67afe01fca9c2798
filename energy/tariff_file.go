package energy

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"tianfu/fault"
	"tianfu/unit"
)

// MaxTariffBytes bounds a tariff file.
const MaxTariffBytes = 1 << 20

// tariffFile is the layout of a tariff file; the unit ends each key.
type tariffFile struct {
	Name    string
	Source  string
	Zone    string
	Seasons []struct {
		Name   string
		Months []int
		Bands  map[string]string
	}
	Overrides []struct {
		Months    []int
		AfterHeat bool `yaml:"after_heat"`
		Bands     map[string]string
	}
	Multipliers map[string]float64
	Prices      []struct {
		Month  string
		Agency float64 `yaml:"agency_yuan_per_kwh"`
		Loss   float64 `yaml:"loss_yuan_per_kwh"`
		Grid   float64 `yaml:"grid_yuan_per_kwh"`
		System float64 `yaml:"system_yuan_per_kwh"`
		Funds  float64 `yaml:"funds_yuan_per_kwh"`
	}
	Demand   float64 `yaml:"demand_yuan_per_kw_month"`
	Capacity float64 `yaml:"capacity_yuan_per_kva_month"`
}

// ParseTariff reads a tariff from YAML; docs/green.md shows one. Bands are
// written "22:00-24:00: valley". Unknown keys are errors. Load turns the name of
// a time zone into the zone, since this room reads no files: pass
// time.LoadLocation.
func ParseTariff(name string, text []byte, load func(zone string) (*time.Location, error)) (*Tariff, error) {
	if len(text) > MaxTariffBytes {
		return nil, fault.Invalidf(name, "larger than %d bytes", MaxTariffBytes)
	}
	var in tariffFile
	dec := yaml.NewDecoder(bytes.NewReader(text))
	dec.KnownFields(true)
	if err := dec.Decode(&in); err == io.EOF {
		return nil, fault.Invalidf(name, "the file is empty")
	} else if err != nil {
		return nil, fault.Invalidf(name, "%s", strings.TrimPrefix(err.Error(), "yaml: "))
	}
	t := &Tariff{Name: in.Name, Source: in.Source, Multipliers: map[Segment]float64{}, DemandYuan: in.Demand, CapacityYuan: in.Capacity}
	if t.Name == "" {
		t.Name = name
	}
	if in.Zone != "" {
		zone, err := load(in.Zone)
		if err != nil {
			return nil, fault.New(fault.Invalid, name, fmt.Sprintf("time zone %q: %v", in.Zone, err), "use a name such as Asia/Shanghai")
		}
		t.Zone = zone
	}
	for s, k := range in.Multipliers {
		t.Multipliers[Segment(s)] = k
	}
	for _, s := range in.Seasons {
		bands, err := parseBands(name, s.Bands)
		if err != nil {
			return nil, err
		}
		t.Seasons = append(t.Seasons, Season{s.Name, s.Months, bands})
	}
	for _, o := range in.Overrides {
		bands, err := parseBands(name, o.Bands)
		if err != nil {
			return nil, err
		}
		for _, b := range bands {
			t.Overrides = append(t.Overrides, Override{b, o.Months, o.AfterHeat})
		}
	}
	for _, m := range in.Prices {
		at, err := time.Parse("2006-01", m.Month)
		if err != nil {
			return nil, fault.Invalidf(name, "prices: month %q is not of the form 2026-08", m.Month)
		}
		t.Prices = append(t.Prices, MonthPrices{at.Year(), int(at.Month()), unit.YuanPerKWh(m.Agency), unit.YuanPerKWh(m.Loss), unit.YuanPerKWh(m.Grid), unit.YuanPerKWh(m.System), unit.YuanPerKWh(m.Funds)})
	}
	if err := t.Check(); err != nil {
		return nil, fault.Wrap(err, name, "tariff")
	}
	return t, nil
}

// parseBands reads "HH:MM-HH:MM: segment" entries, sorted by their beginning.
func parseBands(name string, in map[string]string) ([]Band, error) {
	var out []Band
	for _, key := range slices.Sorted(maps.Keys(in)) {
		from, to, ok := strings.Cut(key, "-")
		a, okA := parseClock(from)
		b, okB := parseClock(to)
		if !ok || !okA || !okB {
			return nil, fault.New(fault.Invalid, name, fmt.Sprintf("band %q", key), "write it as 22:00-24:00")
		}
		out = append(out, Band{a, b, Segment(in[key])})
	}
	return out, nil
}

// parseClock reads hh:mm, 24:00 included, as minutes after midnight.
func parseClock(s string) (int, bool) {
	h, m, ok := strings.Cut(strings.TrimSpace(s), ":")
	hours, errH := strconv.Atoi(h)
	minutes, errM := strconv.Atoi(m)
	if !ok || errH != nil || errM != nil || hours < 0 || hours > 24 || minutes < 0 || minutes > 59 || hours*60+minutes > 1440 {
		return 0, false
	}
	return hours*60 + minutes, true
}
