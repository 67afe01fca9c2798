package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"tianfu/energy"
	"tianfu/fault"
)

type pueFlags struct {
	weather, plant, chiller string
	published, parts        bool
}

func (p *program) greenPUE() *cobra.Command {
	var f pueFlags
	c := &cobra.Command{
		Use:   "pue --weather FILE",
		Short: "PUE and WUE of a plant over a year of weather",
		Long: "Pue runs a facility over the hours of a weather file, at constant IT power, and\n" +
			"prints power usage effectiveness (kW of site per kW of IT) and water usage\n" +
			"effectiveness (litres per kWh of IT) for the year, its months and its hours.\n\n" +
			"Weather is an EPW file or a CSV with the columns month, day, hour (1-24, local\n" +
			"standard time), dry_bulb_c, rh_pct or dew_point_c, and pressure_pa. \"tianfu green\n" +
			"plants\" lists the built-in plants. Format csv prints one row an hour.",
		Example: "  tianfu green pue --weather chengdu.epw\n" +
			"  tianfu green pue --weather chengdu.epw --plant air-cooled -o json\n" +
			"  tianfu green pue --weather chengdu.epw --plant site.json --as-published=false -o csv",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return p.pue(&f, c.Flags().Changed("as-published")) },
	}
	c.Flags().StringVar(&f.weather, "weather", "", "weather file, EPW or CSV, of at most one year (required)")
	c.Flags().StringVar(&f.plant, "plant", energy.DefaultPlant, "built-in plant or plant file (JSON)")
	c.Flags().StringVar(&f.chiller, "chiller", "", "COP grid to use instead of the plant's own (CSV: kind,temp_c,part_load_ratio,cop)")
	c.Flags().BoolVar(&f.published, "as-published", true, "keep the published simplifications of tower water and tower fan; false is the physical form")
	c.Flags().BoolVar(&f.parts, "parts", false, "add where electricity and water go")
	return c
}

func (p *program) pue(f *pueFlags, setPublished bool) error {
	if f.weather == "" {
		return fault.New(fault.Invalid, "--weather", "no weather file is named", "give an EPW file or a CSV")
	}
	plant, err := readPlant(f.plant, f.chiller)
	if err != nil {
		return err
	}
	if setPublished {
		if plant.Kind != energy.WatersideEconomiser {
			return fault.Invalidf("--as-published", "plant %s is of the kind %s, which has no published form", plant.Name, plant.Kind)
		}
		plant.AsPublished = f.published
	}
	text, err := readBounded(f.weather, energy.MaxWeatherBytes)
	if err != nil {
		return err
	}
	w, err := energy.ParseWeather(f.weather, text)
	if err != nil {
		return err
	}
	for _, n := range w.Notices {
		fmt.Fprintf(p.err, "notice: %s: %s\n", f.weather, n)
	}
	y, err := plant.Year(w)
	if err != nil {
		return err
	}
	if p.format == "csv" {
		return p.print(nil, pueHours(w, y, f.parts))
	}
	return p.print(pueDocument(y, f.parts), pueTable(y, f.parts))
}

// readPlant returns a built-in plant or that of a file, with the chiller of a
// grid where one is named: by the flag, or by the plant file relative to itself.
func readPlant(name, chiller string) (*energy.Plant, error) {
	plant, err := builtInOrFile(name)
	if err != nil {
		return nil, err
	}
	if chiller == "" && plant.ChillerFile != "" {
		chiller = plant.ChillerFile
		if !filepath.IsAbs(chiller) {
			chiller = filepath.Join(filepath.Dir(name), chiller)
		}
	}
	if chiller == "" {
		return plant, nil
	}
	text, err := readBounded(chiller, energy.MaxPlantBytes)
	if err != nil {
		return nil, err
	}
	plant.Chiller, err = energy.ParseChiller(chiller, bytes.NewReader(text), plant.ChillerKind())
	return plant, err
}

func builtInOrFile(name string) (*energy.Plant, error) {
	if slices.Contains(energy.PlantNames(), name) {
		return energy.BuiltInPlant(name)
	}
	if _, err := os.Stat(name); os.IsNotExist(err) && fs.ValidPath(name) && filepath.Ext(name) == "" {
		return energy.BuiltInPlant(name) // says which names there are
	}
	text, err := readBounded(name, energy.MaxPlantBytes)
	if err != nil {
		return nil, err
	}
	return energy.ParsePlant(name, text)
}

type pueHour struct {
	PUE float64 `json:"pue"`
	WUE float64 `json:"wue"`
	*pueParts
}

type pueParts struct {
	Draw  energy.Draw  `json:"kw_per_kw_it"`
	Water energy.Water `json:"litres_per_kwh_it"`
}

type pueYear struct {
	PUE    float64                `json:"pue"`
	WUE    float64                `json:"wue"`
	PUEMax float64                `json:"pue_max"`
	Free   energy.FreeCooling     `json:"free_cooling_hours"`
	Parts  *pueParts              `json:"parts,omitempty"`
	Months []energy.FacilityMonth `json:"months"`
	Hours  []pueHour              `json:"hours"`
}

func pueDocument(y *energy.FacilityYear, parts bool) *pueYear {
	d := &pueYear{PUE: y.PUE, WUE: y.WUE, PUEMax: y.PUEMax, Free: y.Free, Months: y.Months, Hours: make([]pueHour, len(y.Hours))}
	if parts {
		draw, water := y.Mean()
		d.Parts = &pueParts{draw, water}
	}
	for i := range y.Hours {
		h := &y.Hours[i]
		d.Hours[i] = pueHour{PUE: h.PUE, WUE: h.WUE}
		if parts {
			d.Hours[i].pueParts = &pueParts{h.Draw, h.Water}
		}
	}
	return d
}

// pueTable is the year for people: its months, then the year in one row, then
// its parts where asked for.
func pueTable(y *energy.FacilityYear, parts bool) *table {
	t := &table{header: []string{"MONTH", "PUE", "WUE_L_PER_KWH", "NOTE"}}
	for _, m := range y.Months {
		t.add(strconv.Itoa(m.Month), fixed(m.PUE, 4), fixed(m.WUE, 4), "")
	}
	grade, _ := energy.GradeOf(y.PUE)
	t.add("year", fixed(y.PUE, 4), fixed(y.WUE, 4), fmt.Sprintf("dPUE, GB 40879 %s; at most %s; free cooling full %d h, partial %d h, none %d h", grade, fixed(y.PUEMax, 4), y.Free.Full, y.Free.Partial, y.Free.None))
	if parts {
		draw, water := y.Mean()
		for i, v := range drawParts(&draw) {
			t.add(drawNames()[i], fixed(v, 5), "", "kW per kW of IT")
		}
		for i, v := range waterParts(&water) {
			t.add(waterNames()[i], "", fixed(v, 5), "litres per kWh of IT")
		}
	}
	return t
}

// pueHours is one row an hour, with the columns a weather CSV has, so that the
// output can be read back as weather.
func pueHours(w *energy.Weather, y *energy.FacilityYear, parts bool) *table {
	t := &table{header: []string{"row", "month", "day", "hour", "dry_bulb_c", "rh_pct", "pressure_pa", "wet_bulb_c", "free_cooling_fraction", "pue", "wue_l_per_kwh"}}
	if parts {
		for _, n := range drawNames() {
			t.header = append(t.header, n+"_kw_per_kw")
		}
		for _, n := range waterNames() {
			t.header = append(t.header, n+"_l_per_kwh")
		}
	}
	for i := range y.Hours {
		in, h := &w.Hours[i], &y.Hours[i]
		row := []string{strconv.Itoa(i), strconv.Itoa(in.Month), strconv.Itoa(in.Day), strconv.Itoa(in.Hour), shortest(in.DryBulbC), shortest(in.Relative * 100), shortest(in.PressurePa),
			fixed(h.WetBulbC, 4), fixed(h.Free, 6), fixed(h.PUE, 6), fixed(h.WUE, 6)}
		if parts {
			for _, v := range drawParts(&h.Draw) {
				row = append(row, fixed(v, 6))
			}
			for _, v := range waterParts(&h.Water) {
				row = append(row, fixed(v, 6))
			}
		}
		t.rows = append(t.rows, row)
	}
	return t
}

func drawNames() []string {
	return []string{"it", "ups", "distribution", "lighting", "supply_fans", "humidifier", "facility_pumps", "chiller", "tower_pump", "outdoor_fans"}
}

func drawParts(d *energy.Draw) []float64 {
	return []float64{d.IT, d.UPS, d.Distribution, d.Lighting, d.SupplyFans, d.Humidifier, d.Pumps, d.Chiller, d.TowerPump, d.OutdoorFans}
}

func waterNames() []string {
	return []string{"evaporation", "windage", "blow_down", "humidifier_water"}
}

func waterParts(w *energy.Water) []float64 {
	return []float64{w.Evaporation, w.Windage, w.BlowDown, w.Humidifier}
}

func fixed(f float64, digits int) string { return strconv.FormatFloat(f, 'f', digits, 64) }

// shortest prints a number that was read with few digits as it was written.
func shortest(f float64) string { return strconv.FormatFloat(f, 'g', 10, 64) }
