package energy

import "slices"

// figure is one number of a plant: its key in a plant file, whose ending is the
// unit, the bounds it must lie in and where it goes.
type figure struct {
	key       string
	low, high float64
	at        func(*Plant) *float64
	part      part
}

// part is the piece of equipment a figure belongs to; a kind has some of them.
type part uint8

const (
	everywhere part = iota
	facilityWater
	coolingTower
	dryCooler
	liquidCooling
)

// parts returns what a kind consists of, besides what every plant has.
func (k PlantKind) parts() []part {
	switch k {
	case WatersideEconomiser:
		return []part{everywhere, facilityWater, coolingTower}
	case DryCooler:
		return []part{everywhere, facilityWater, dryCooler}
	case Expansion:
		return []part{everywhere}
	}
	return nil
}

// figures lists every number a plant file can hold, in the order it is printed.
func figures() []figure {
	return slices.Concat(generalFigures(), waterFigures(), outdoorFigures(), liquidFigures())
}

func generalFigures() []figure {
	return []figure{
		{"ups_efficiency", 0.5, 1, func(p *Plant) *float64 { return &p.UPSEfficiency }, everywhere},
		{"power_distribution_loss", 0, 0.5, func(p *Plant) *float64 { return &p.DistributionLoss }, everywhere},
		{"lighting_share", 0, 1, func(p *Plant) *float64 { return &p.LightingShare }, everywhere},
		{"sensible_heat_ratio", 0.5, 1, func(p *Plant) *float64 { return &p.SensibleHeatRatio }, everywhere},
		{"air_temperature_rise_k", 1, 50, func(p *Plant) *float64 { return &p.AirRiseK }, everywhere},
		{"fan_pressure_pa", 0, 5000, func(p *Plant) *float64 { return &p.FanPa }, everywhere},
		{"fan_efficiency", 0.05, 1, func(p *Plant) *float64 { return &p.FanEfficiency }, everywhere},
		{"humidifier_pump_pressure_pa", 0, 2e7, func(p *Plant) *float64 { return &p.HumidifierPa }, everywhere},
		{"humidifier_pump_efficiency", 0.05, 1, func(p *Plant) *float64 { return &p.HumidifierEfficiency }, everywhere},
		{"supply_temperature_max_c", 0, 60, func(p *Plant) *float64 { return &p.SupplyMaxC }, everywhere},
		{"supply_temperature_min_c", 0, 60, func(p *Plant) *float64 { return &p.SupplyMinC }, everywhere},
		{"dew_point_max_c", -60, 40, func(p *Plant) *float64 { return &p.DewPointMaxC }, everywhere},
		{"dew_point_min_c", -60, 40, func(p *Plant) *float64 { return &p.DewPointMinC }, everywhere},
		{"relative_humidity_max_pct", 0, 100, func(p *Plant) *float64 { return &p.RelativeMax }, everywhere},
		{"relative_humidity_min_pct", 0, 100, func(p *Plant) *float64 { return &p.RelativeMin }, everywhere},
		{"chiller_cop_relative_error", -0.9, 5, func(p *Plant) *float64 { return &p.COPError }, everywhere},
	}
}

func waterFigures() []figure {
	return []figure{
		{"heat_exchanger_effectiveness", 0.1, 1, func(p *Plant) *float64 { return &p.ExchangerEffectiveness }, facilityWater},
		{"facility_water_temperature_rise_k", 0.5, 30, func(p *Plant) *float64 { return &p.WaterRiseK }, facilityWater},
		{"exchanger_approach_k", 0, 30, func(p *Plant) *float64 { return &p.ExchangerApproachK }, facilityWater},
		{"economiser_pump_pressure_pa", 0, 2e6, func(p *Plant) *float64 { return &p.EconomiserPumpPa }, facilityWater},
		{"economiser_pump_efficiency", 0.05, 1, func(p *Plant) *float64 { return &p.EconomiserPumpEfficiency }, facilityWater},
		{"chilled_water_pump_pressure_pa", 0, 2e6, func(p *Plant) *float64 { return &p.ChilledPumpPa }, facilityWater},
		{"chilled_water_pump_efficiency", 0.05, 1, func(p *Plant) *float64 { return &p.ChilledPumpEfficiency }, facilityWater},
		{"chiller_part_load_ratio", 0.01, 1, func(p *Plant) *float64 { return &p.PartLoadRatio }, facilityWater},
	}
}

func outdoorFigures() []figure {
	return []figure{
		{"tower_approach_k", 0, 30, func(p *Plant) *float64 { return &p.TowerApproachK }, coolingTower},
		{"tower_temperature_range_k", 0.5, 30, func(p *Plant) *float64 { return &p.TowerRangeK }, coolingTower},
		{"tower_pump_pressure_pa", 0, 2e6, func(p *Plant) *float64 { return &p.TowerPumpPa }, coolingTower},
		{"tower_pump_efficiency", 0.05, 1, func(p *Plant) *float64 { return &p.TowerPumpEfficiency }, coolingTower},
		{"windage_share", 0, 0.1, func(p *Plant) *float64 { return &p.WindageShare }, coolingTower},
		{"cycles_of_concentration", 1.1, 100, func(p *Plant) *float64 { return &p.Cycles }, coolingTower},
		{"tower_liquid_to_gas_ratio", 0.05, 20, func(p *Plant) *float64 { return &p.LiquidToGas }, coolingTower},
		{"tower_fan_pressure_pa", 0, 5000, func(p *Plant) *float64 { return &p.TowerFanPa }, coolingTower},
		{"tower_fan_efficiency", 0.05, 1, func(p *Plant) *float64 { return &p.TowerFanEfficiency }, coolingTower},
		{"dry_cooler_approach_k", 0, 40, func(p *Plant) *float64 { return &p.DryApproachK }, dryCooler},
		{"dry_cooler_air_rise_k", 1, 50, func(p *Plant) *float64 { return &p.DryAirRiseK }, dryCooler},
		{"dry_cooler_fan_pressure_pa", 0, 5000, func(p *Plant) *float64 { return &p.DryFanPa }, dryCooler},
		{"dry_cooler_fan_efficiency", 0.05, 1, func(p *Plant) *float64 { return &p.DryFanEfficiency }, dryCooler},
	}
}

func liquidFigures() []figure {
	return []figure{
		{"liquid_heat_share", 0, 1, func(p *Plant) *float64 { return &p.LiquidHeatShare }, liquidCooling},
		{"liquid_supply_temperature_c", 5, 70, func(p *Plant) *float64 { return &p.LiquidSupplyC }, liquidCooling},
		{"liquid_temperature_rise_k", 0.5, 40, func(p *Plant) *float64 { return &p.LiquidRiseK }, liquidCooling},
		{"liquid_pump_pressure_pa", 0, 2e6, func(p *Plant) *float64 { return &p.LiquidPumpPa }, liquidCooling},
		{"liquid_pump_efficiency", 0.05, 1, func(p *Plant) *float64 { return &p.LiquidPumpEfficiency }, liquidCooling},
	}
}

// PlantFigure is one number of a plant as it is printed: the key ends with the
// unit.
type PlantFigure struct {
	Key   string  `json:"key"`
	Value float64 `json:"value"`
}

// Figures lists the numbers that describe the plant, in a fixed order.
func (p *Plant) Figures() []PlantFigure {
	parts := p.Kind.parts()
	if p.LiquidHeatShare > 0 {
		parts = append(parts, liquidCooling)
	}
	var out []PlantFigure
	for _, f := range figures() {
		if slices.Contains(parts, f.part) {
			out = append(out, PlantFigure{f.key, *f.at(p)})
		}
	}
	return out
}
