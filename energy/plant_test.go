package energy

import (
	"math"
	"strings"
	"testing"

	"tianfu/fault"
)

func builtIn(t testing.TB, name string) *Plant {
	t.Helper()
	p, err := BuiltInPlant(name)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestPlantFileEqualsBuiltIn reads the published parameters from their file.
func TestPlantFileEqualsBuiltIn(t *testing.T) {
	p, err := ParsePlant("plant.json", weatherFile(t, "plant_case2.json"))
	if err != nil {
		t.Fatal(err)
	}
	own := builtIn(t, DefaultPlant)
	for i, f := range own.Figures() {
		if got := p.Figures()[i]; got != f {
			t.Errorf("file has %+v, built in is %+v", got, f)
		}
	}
	if len(p.Figures()) != 33 || !p.AsPublished {
		t.Errorf("%d figures, as published %v", len(p.Figures()), p.AsPublished)
	}
}

// TestEveryPlantSurvivesItsFile prints each built-in plant as a file and reads
// it back.
func TestEveryPlantSurvivesItsFile(t *testing.T) {
	air := WeatherHour{DryBulbC: 27, Relative: 0.6, PressurePa: 96_000}
	for _, name := range PlantNames() {
		own := builtIn(t, name)
		p, err := ParsePlant(name, plantText(own, ""))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got, want := p.Hour(&air), own.Hour(&air); got != want {
			t.Errorf("%s: file gives %+v, built in %+v", name, got, want)
		}
	}
}

// TestPartsSumToTheWhole holds each hour's parts to its PUE and WUE and the
// physics to its order: a wetter, hotter hour costs no less.
func TestPartsSumToTheWhole(t *testing.T) {
	for _, name := range PlantNames() {
		p := builtIn(t, name)
		before := 0.0
		for c := -30.0; c <= 45; c++ {
			h := p.Hour(&WeatherHour{DryBulbC: c, Relative: 0.7, PressurePa: 96_000})
			if h.PUE != h.Draw.Total() || h.WUE != h.Water.Total() || h.Draw.IT != 1 {
				t.Fatalf("%s at %g C: parts do not sum to %g and %g", name, c, h.PUE, h.WUE)
			}
			// 0.002 leaves room for the denser air of a cold day and the dx
			// curve, which is not monotonic below 11 C.
			if h.PUE < before-0.002 {
				t.Errorf("%s: PUE falls from %.5f to %.5f at %g C", name, before, h.PUE, c)
			}
			before = h.PUE
			draw, water := h.Draw.fields(), h.Water.fields()
			for _, v := range append(draw[:], water[:]...) {
				if !(*v >= 0) {
					t.Fatalf("%s at %g C: a part is %g", name, c, *v)
				}
			}
		}
	}
}

// TestWarmWaterIsFreeInChengdu holds the liquid loop to the counted hours: 35 C
// supply water needs a wet bulb of 28 C or less.
func TestWarmWaterIsFreeInChengdu(t *testing.T) {
	w, err := ParseWeather(chengduCSWD, weatherFile(t, chengduCSWD))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		supplyC float64
		hours   int
	}{{35, 8696}, {38, 8760}} {
		p := builtIn(t, "cold-plate")
		p.LiquidSupplyC = c.supplyC
		free := 0
		for i := range w.Hours {
			o := p.outside(&w.Hours[i])
			if p.liquidLoop(&o).free == 1 {
				free++
			}
		}
		if free != c.hours {
			t.Errorf("%g C water is free %d h, want %d", c.supplyC, free, c.hours)
		}
	}
}

// TestPhysicalTower checks by hand what the switch changes: at 1.24 kW rejected
// water and air follow it instead of the heat of the room.
func TestPhysicalTower(t *testing.T) {
	p := builtIn(t, DefaultPlant)
	air := WeatherHour{DryBulbC: 10, Relative: 0.5, PressurePa: 101_325}
	published := p.Hour(&air)
	p.AsPublished = false
	physical := p.Hour(&air)
	// Free cooling: rejected heat is room heat over the sensible heat ratio.
	within(t, "evaporation ratio", physical.Water.Evaporation/published.Water.Evaporation, 1/0.97, 1e-12)
	// Air is water flow over 2.1 instead of evaporation over 2.1.
	flow := published.Draw.TowerPump * 1000 * 0.7 * 1000 / 208_650
	within(t, "fan ratio", physical.Draw.OutdoorFans/published.Draw.OutdoorFans, flow/(published.Water.Evaporation/3600), 1e-9)
	if physical.Draw.Chiller != 0 || physical.Draw.TowerPump != published.Draw.TowerPump {
		t.Errorf("the switch changed more than tower water and fan: %+v", physical.Draw)
	}
}

func TestUnknownPlant(t *testing.T) {
	if _, err := BuiltInPlant("swamp"); fault.KindOf(err) != fault.NotFound || !strings.Contains(err.Error(), "air-cooled") {
		t.Errorf("error %v", err)
	}
}

// plantText prints a plant as a file; extra goes among the parameters.
func plantText(p *Plant, extra string) []byte {
	var b strings.Builder
	b.WriteString("{\n\"kind\": \"" + string(p.Kind) + "\",\n\"as_published\": ")
	if p.AsPublished {
		b.WriteString("true")
	} else {
		b.WriteString("false")
	}
	b.WriteString(",\n\"parameters\": {")
	for i, f := range p.Figures() {
		if i > 0 {
			b.WriteString(",")
		}
		b.WriteString("\n\"" + f.Key + "\": " + formatted(f.Value))
	}
	b.WriteString(extra + "}}")
	return []byte(b.String())
}

func TestPlantFileErrors(t *testing.T) {
	text := string(plantText(builtIn(t, DefaultPlant), ""))
	dry := string(plantText(builtIn(t, "air-cooled"), ""))
	swap := func(old, with string) string {
		if !strings.Contains(text, old) {
			t.Fatalf("the file has no %q", old)
		}
		return strings.Replace(text, old, with, 1)
	}
	for _, c := range []struct{ file, want string }{
		{"", "p.json:1: the file ends too early"},
		{"[]", "a plant file must be an object"},
		{"{", "p.json:1: the file ends too early"},
		{"{}", "p.json: parameters lack ups_efficiency"},
		{text + "{}", "something follows"},
		{`{"parameters": {}, "parameters": {}}`, `p.json:1: key "parameters" is given twice`},
		{swap(`"kind"`, `"knd"`), `p.json:2: unknown key "knd"`},
		{swap("waterside-economiser", "swamp"), `p.json:2: kind "swamp"`},
		{swap("true", `"yes"`), "p.json:3: as_published is of the wrong type: yes; write true or false"},
		{swap(`"ups_efficiency": 0.945`, `"ups_efficiency": 94.5`), "p.json:5: ups_efficiency 94.5 is outside 0.5 to 1"},
		{swap(`"ups_efficiency": 0.945`, `"ups_efficiency": "0.945"`), "p.json:5: ups_efficiency is of the wrong type: 0.945; write a number without quotes"},
		{swap(`"ups_efficiency"`, `"ups_eff"`), `p.json:5: unknown parameter "ups_eff"`},
		{swap(`"ups_efficiency": 0.945`, `"ups_efficiency": 0.945, "ups_efficiency": 0.9`), `p.json:5: key "ups_efficiency" is given twice`},
		{swap(`"ups_efficiency": 0.945,`, ""), "lack ups_efficiency"},
		{swap(`"ups_efficiency": 0.945`, `"ups_efficiency": 1e999`), "ups_efficiency"},
		{swap(`"dew_point_min_c": -10.5`, `"dew_point_min_c": 22`), "dew_point_min_c 22 is above dew_point_max_c 21"},
		{swap("waterside-economiser", "dry-cooler"), "tower_approach_k has no meaning"},
		{strings.Replace(dry, "false", "true", 1), "as_published has a meaning only for"},
		{swap(`"parameters": {`, `"parameters": {"liquid_pump_pressure_pa": 1,`), "liquid_pump_pressure_pa without liquid_heat_share"},
		{swap(`"parameters": {`, `"parameters": {"liquid_heat_share": 1,`), "lack liquid_supply_temperature_c"},
	} {
		_, err := ParsePlant("p.json", []byte(c.file))
		wantInvalid(t, err, c.want)
	}
}

func FuzzParsePlant(f *testing.F) {
	for _, name := range PlantNames() {
		f.Add(plantText(builtIn(f, name), ""))
	}
	f.Add([]byte(`{"parameters":{"ups_efficiency":1e-400}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := ParsePlant("p.json", text)
		if err != nil {
			if fault.KindOf(err) != fault.Invalid {
				t.Fatalf("error of the kind %v: %v", fault.KindOf(err), err)
			}
			return
		}
		again, err := ParsePlant("p.json", plantText(p, ""))
		if err != nil {
			t.Fatalf("printed plant is refused: %v", err)
		}
		air := WeatherHour{DryBulbC: 35, Relative: 1, PressurePa: MinPressurePa}
		h := p.Hour(&air)
		if h != again.Hour(&air) {
			t.Fatal("printed plant draws something else")
		}
		if !(h.PUE >= 1) || math.IsInf(h.PUE, 0) || !(h.WUE >= 0) {
			t.Fatalf("PUE %g, WUE %g", h.PUE, h.WUE)
		}
	})
}
