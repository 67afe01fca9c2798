package energy

// PlantKind says where a plant's heat goes and how.
type PlantKind string

// The kinds. A liquid loop (LiquidHeatShare above 0) may stand beside the air
// of the first two: that is how cold plates and immersion tanks are cooled.
const (
	// WatersideEconomiser: air handlers on facility water, cooled by a tower
	// through an exchanger as far as the wet bulb allows, by a water-cooled
	// chiller for the rest. The plant of Lei and Masanet 2022, case 2.
	WatersideEconomiser PlantKind = "waterside-economiser"
	// DryCooler: the same facility water, cooled by outdoor air through a dry
	// cooler and by an air-cooled chiller for the rest. No tower, no water.
	DryCooler PlantKind = "dry-cooler"
	// Expansion: room units that expand refrigerant at the outdoor dry bulb;
	// no facility water and no free cooling.
	Expansion PlantKind = "direct-expansion"
)

// Plant is everything about a facility that its hourly draw depends on. All
// figures are shares of, or for, 1 kW of IT power. Temperatures are in C,
// differences in K, pressures in Pa; shares and efficiencies have no unit.
// ParsePlant reads one from a file, BuiltInPlant returns a named one.
type Plant struct {
	Name, Source string
	Kind         PlantKind
	// AsPublished keeps two simplifications of the published code, needed to
	// agree with its figures: tower water follows the heat of the room instead
	// of all heat rejected, and tower air follows the evaporation instead of
	// the water flow. False is the physical form.
	AsPublished bool
	// ChillerFile names a COP grid to use instead of the built-in curve; whoever
	// reads files sets Chiller from it.
	ChillerFile string
	Chiller     *Chiller

	// Electricity and air: every kind.
	UPSEfficiency, DistributionLoss, LightingShare       float64
	SensibleHeatRatio                                    float64 // sensible over total heat taken from the room
	AirRiseK, FanPa, FanEfficiency                       float64
	HumidifierPa, HumidifierEfficiency                   float64
	SupplyMaxC, SupplyMinC                               float64 // bounds of supply air; the upper one is used
	DewPointMaxC, DewPointMinC, RelativeMax, RelativeMin float64 // bounds of supply air; relative in percent
	COPError                                             float64 // relative, applied to every COP

	// Facility water: waterside economiser and dry cooler.
	ExchangerEffectiveness                     float64 // of the air handlers
	WaterRiseK, ExchangerApproachK             float64
	EconomiserPumpPa, EconomiserPumpEfficiency float64
	ChilledPumpPa, ChilledPumpEfficiency       float64
	PartLoadRatio                              float64 // of the chiller

	// Cooling tower: waterside economiser.
	TowerApproachK, TowerRangeK                 float64
	TowerPumpPa, TowerPumpEfficiency            float64
	WindageShare, Cycles                        float64 // of the tower's water flow; of concentration
	LiquidToGas, TowerFanPa, TowerFanEfficiency float64 // kg of water per kg of air

	// Dry cooler.
	DryApproachK, DryAirRiseK, DryFanPa, DryFanEfficiency float64

	// Liquid loop to cold plates or tanks; share 0 is none.
	LiquidHeatShare, LiquidSupplyC, LiquidRiseK, LiquidPumpPa, LiquidPumpEfficiency float64
}

// Draw is where the electricity of one hour goes, in kW per kW of IT power.
type Draw struct {
	IT           float64 `json:"it"`
	UPS          float64 `json:"ups"`
	Distribution float64 `json:"distribution"`
	Lighting     float64 `json:"lighting"`
	SupplyFans   float64 `json:"supply_fans"`
	Humidifier   float64 `json:"humidifier"`
	Pumps        float64 `json:"facility_pumps"` // facility water and liquid loop
	Chiller      float64 `json:"chiller"`
	TowerPump    float64 `json:"tower_pump"`
	OutdoorFans  float64 `json:"outdoor_fans"` // of tower or dry cooler
}

// Total returns the sum in kW per kW of IT power, which is the PUE of the hour.
func (d *Draw) Total() float64 {
	return d.IT + d.UPS + d.Distribution + d.Lighting + d.SupplyFans + d.Humidifier +
		d.Pumps + d.Chiller + d.TowerPump + d.OutdoorFans
}

// Water is where the water of one hour goes, in litres per kWh of IT energy.
type Water struct {
	Evaporation float64 `json:"evaporation"`
	Windage     float64 `json:"windage"`
	BlowDown    float64 `json:"blow_down"`
	Humidifier  float64 `json:"humidifier"`
}

// Total returns the sum in litres per kWh of IT energy, the WUE of the hour.
func (w *Water) Total() float64 { return w.Evaporation + w.Windage + w.BlowDown + w.Humidifier }

// FacilityHour is what a plant draws in one hour of weather.
type FacilityHour struct {
	PUE, WUE float64 // kW per kW of IT; litres per kWh of IT
	// Free is the share of heat that needs no chiller, 0..1.
	Free     float64
	WetBulbC float64
	Draw     Draw
	Water    Water
}

// Physical figures of the published model: kJ per kg and K, kJ per kg, kg/m3.
const (
	airHeat          = 1.01
	facilityHeat     = 4.2
	towerHeat        = 4.184
	vaporisationHeat = 2266
	waterDensity     = 1000
)

// outside is the hour's weather as a plant's loops see it.
type outside struct {
	wetBulbC  float64
	coolantC  float64 // of tower or dry-cooler water
	chillerC  float64 // what the chiller's COP depends on
	airVolume float64 // m3 per kg of moist air
}

func (p *Plant) outside(h *WeatherHour) outside {
	ratio := HumidityRatio(h.DryBulbC, h.Relative, h.PressurePa)
	o := outside{wetBulbC: WetBulb(h.DryBulbC, h.Relative, h.PressurePa), airVolume: MoistVolume(h.DryBulbC, ratio, h.PressurePa)}
	switch p.Kind {
	case WatersideEconomiser:
		o.coolantC = o.wetBulbC + p.TowerApproachK
		o.chillerC = o.coolantC
	case DryCooler:
		o.coolantC = h.DryBulbC + p.DryApproachK
		o.chillerC = h.DryBulbC
	case Expansion:
		o.chillerC = h.DryBulbC
	}
	return o
}

// Hour returns what the plant draws in one hour of weather at full, constant IT
// power. The steps and their numbers are those of Lei and Masanet 2022; those
// of the other kinds are ours, see docs/green.md.
func (p *Plant) Hour(h *WeatherHour) FacilityHour {
	out := FacilityHour{}
	o := p.outside(h)
	out.WetBulbC = o.wetBulbC
	d := &out.Draw
	d.IT = 1
	d.UPS = 1/p.UPSEfficiency - 1
	d.Distribution = 1/(1-p.DistributionLoss) - 1
	d.Lighting = p.LightingShare
	room := d.IT + d.UPS + d.Distribution + d.Lighting // all of it becomes heat
	sensible := room - p.LiquidHeatShare
	latent := sensible/p.SensibleHeatRatio - sensible

	d.SupplyFans = p.supplyFans(sensible, h.PressurePa)
	d.Humidifier = p.HumidifierPa * (latent / vaporisationHeat) / (1e6 * p.HumidifierEfficiency)
	air := p.airLoop(sensible+latent, &o)
	liquid := p.liquidLoop(&o)
	d.Pumps = air.pump + liquid.pump
	d.Chiller = air.chiller + liquid.chiller
	if heat := air.heat + liquid.heat; heat > 0 {
		// Exactly 1 and 0 where both loops are, whatever rounding says.
		out.Free = min(air.free, liquid.free)
		if air.free != liquid.free {
			out.Free = (air.heat*air.free + liquid.heat*liquid.free) / heat
		}
	}
	rejected := air.heat + liquid.heat + d.Chiller
	switch p.Kind {
	case WatersideEconomiser:
		p.tower(&out, &o, room, rejected)
	case DryCooler:
		flow := rejected / (airHeat * p.DryAirRiseK)
		d.OutdoorFans = fanKW(flow, o.airVolume, p.DryFanPa, p.DryFanEfficiency)
	}
	out.Water.Humidifier = 3600 * latent / vaporisationHeat
	out.PUE, out.WUE = d.Total(), out.Water.Total()
	return out
}

// supplyFans returns kW for moving the supply air. Its humidity lies mid-way
// between the driest and the most humid air the bounds allow.
func (p *Plant) supplyFans(sensible, pressurePa float64) float64 {
	t := p.SupplyMaxC
	low := max(HumidityRatio(t, p.RelativeMin/100, pressurePa), HumidityRatioAtDewPoint(p.DewPointMinC, pressurePa))
	high := min(HumidityRatio(t, p.RelativeMax/100, pressurePa), HumidityRatioAtDewPoint(p.DewPointMaxC, pressurePa))
	flow := sensible / (airHeat * p.AirRiseK)
	return fanKW(flow, MoistVolume(t, (low+high)/2, pressurePa), p.FanPa, p.FanEfficiency)
}

// loop is one loop of water or refrigerant between heat and outdoors.
type loop struct {
	heat, free    float64 // kW per kW of IT; share without chiller
	pump, chiller float64 // kW per kW of IT
}

func (p *Plant) airLoop(heat float64, o *outside) loop {
	l := loop{heat: heat}
	if p.Kind != Expansion {
		room := p.SupplyMaxC + p.AirRiseK
		supply := room - p.AirRiseK/p.ExchangerEffectiveness
		l.free = freeShare(supply, supply+p.WaterRiseK, o.coolantC+p.ExchangerApproachK)
		flow := heat / (facilityHeat * p.WaterRiseK)
		l.pump = l.free*pumpKW(flow, p.EconomiserPumpPa, p.EconomiserPumpEfficiency) +
			(1-l.free)*pumpKW(flow, p.ChilledPumpPa, p.ChilledPumpEfficiency)
	}
	l.chiller = p.chiller(heat*(1-l.free), o)
	return l
}

func (p *Plant) liquidLoop(o *outside) loop {
	if p.LiquidHeatShare == 0 {
		return loop{free: 1}
	}
	l := loop{heat: p.LiquidHeatShare}
	l.free = freeShare(p.LiquidSupplyC, p.LiquidSupplyC+p.LiquidRiseK, o.coolantC+p.ExchangerApproachK)
	l.pump = pumpKW(l.heat/(facilityHeat*p.LiquidRiseK), p.LiquidPumpPa, p.LiquidPumpEfficiency)
	l.chiller = p.chiller(l.heat*(1-l.free), o)
	return l
}

// freeShare is the part of a loop's temperature drop that the coolant can make.
func freeShare(supplyC, returnC, coolantC float64) float64 {
	switch {
	case coolantC <= supplyC:
		return 1
	case coolantC >= returnC:
		return 0
	}
	return (returnC - coolantC) / (returnC - supplyC)
}

func (p *Plant) chiller(heat float64, o *outside) float64 {
	if heat == 0 {
		return 0
	}
	return heat / (p.Chiller.COP(o.chillerC, p.PartLoadRatio) * (1 + p.COPError))
}

// tower adds the pump, fan and water of the cooling tower. Room is the heat of
// the room, rejected all heat the tower gives off, both in kW per kW of IT.
func (p *Plant) tower(out *FacilityHour, o *outside, room, rejected float64) {
	water := rejected / (towerHeat * p.TowerRangeK) // kg/s through the tower
	out.Draw.TowerPump = pumpKW(water, p.TowerPumpPa, p.TowerPumpEfficiency)

	heat := rejected
	if p.AsPublished {
		heat = room
	}
	t := o.coolantC + p.TowerRangeK/2
	evaporation := heat / (-0.0013*t*t - 2.3097*t + 2500.5)
	windage := p.WindageShare * heat / (towerHeat * p.TowerRangeK)
	blowDown := max(evaporation/(p.Cycles-1)-windage, 0)
	air := water / p.LiquidToGas
	if p.AsPublished {
		air = evaporation / p.LiquidToGas
	}
	out.Draw.OutdoorFans = fanKW(air, o.airVolume, p.TowerFanPa, p.TowerFanEfficiency)
	out.Water.Evaporation, out.Water.Windage, out.Water.BlowDown = 3600*evaporation, 3600*windage, 3600*blowDown
}

// pumpKW returns kW for moving kg/s of water against a pressure in Pa.
func pumpKW(flow, pa, efficiency float64) float64 {
	return pa * flow / (1000 * efficiency * waterDensity)
}

// fanKW returns kW for moving kg/s of air of m3/kg against a pressure in Pa.
func fanKW(flow, volume, pa, efficiency float64) float64 {
	return flow * volume * pa / (1000 * efficiency)
}
