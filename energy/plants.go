package energy

import (
	"fmt"
	"strings"

	"tianfu/fault"
)

// DefaultPlant is the plant used where none is named.
const DefaultPlant = "lei-masanet-case2"

// PlantNames lists the built-in plants.
func PlantNames() []string {
	return []string{DefaultPlant, "air-cooled", "dx", "cold-plate", "immersion"}
}

// BuiltInPlant returns the plant of a name, ready for Hour. An unknown name is
// a NotFound error.
func BuiltInPlant(name string) (*Plant, error) {
	p := caseTwo()
	switch name {
	case DefaultPlant:
	case "air-cooled":
		airCooledPlant(&p)
	case "dx":
		expansionPlant(&p)
	case "cold-plate":
		coldPlate(&p)
	case "immersion":
		immersion(&p)
	default:
		return nil, fault.New(fault.NotFound, "", fmt.Sprintf("no built-in plant is called %q", name), "name a file or one of "+strings.Join(PlantNames(), ", "))
	}
	p.Name = name
	p.Chiller = BuiltInChiller(p.ChillerKind())
	return &p, nil
}

// ChillerKind returns the kind of chiller a plant of this kind has.
func (p *Plant) ChillerKind() ChillerKind {
	switch p.Kind {
	case DryCooler:
		return AirCooled
	case Expansion:
		return DirectExpansion
	}
	return WaterCooled
}

// caseTwo is the plant of Lei and Masanet 2022, case 2, at the middle of each
// parameter's range (doi 10.1016/j.resconrec.2022.106323).
func caseTwo() Plant {
	return Plant{
		Source:      "case 2 of Lei & Masanet 2022 (doi 10.1016/j.resconrec.2022.106323), mid-range parameters",
		Kind:        WatersideEconomiser,
		AsPublished: true,

		UPSEfficiency: 0.945, DistributionLoss: 0.01, LightingShare: 0.001,
		SensibleHeatRatio: 0.97, AirRiseK: 16.65, FanPa: 500, FanEfficiency: 0.775,
		HumidifierPa: 0, HumidifierEfficiency: 1,
		SupplyMaxC: 31, SupplyMinC: 31, DewPointMaxC: 21, DewPointMinC: -10.5, RelativeMax: 75, RelativeMin: 14,

		ExchangerEffectiveness: 0.8, WaterRiseK: 7.5, ExchangerApproachK: 2.25,
		EconomiserPumpPa: 143_650, EconomiserPumpEfficiency: 0.7,
		ChilledPumpPa: 143_650, ChilledPumpEfficiency: 0.7, PartLoadRatio: 0.5,

		TowerApproachK: 4.75, TowerRangeK: 5, TowerPumpPa: 208_650, TowerPumpEfficiency: 0.7,
		WindageShare: 0.0025, Cycles: 9, LiquidToGas: 2.1, TowerFanPa: 250, TowerFanEfficiency: 0.775,
	}
}

// airCooledPlant gives case 2's room to a dry cooler and an air-cooled chiller.
// Dry-cooler figures are our assumptions: a unit sized for 8 K approach whose
// air warms by 10 K.
func airCooledPlant(p *Plant) {
	p.Kind, p.AsPublished = DryCooler, false
	p.Source = "case 2's room on a dry cooler and air-cooled chiller; dry-cooler figures are assumptions"
	p.TowerApproachK, p.TowerRangeK, p.TowerPumpPa, p.TowerPumpEfficiency = 0, 0, 0, 0
	p.WindageShare, p.Cycles, p.LiquidToGas, p.TowerFanPa, p.TowerFanEfficiency = 0, 0, 0, 0, 0
	p.DryApproachK, p.DryAirRiseK, p.DryFanPa, p.DryFanEfficiency = 8, 10, 150, 0.6
}

// expansionPlant gives case 2's room to direct-expansion units, whose condenser
// fans are part of the COP.
func expansionPlant(p *Plant) {
	airCooledPlant(p)
	p.Kind = Expansion
	p.Source = "case 2's room on direct-expansion units without free cooling"
	p.DryApproachK, p.DryAirRiseK, p.DryFanPa, p.DryFanEfficiency = 0, 0, 0, 0
	p.ExchangerEffectiveness, p.WaterRiseK, p.ExchangerApproachK = 0, 0, 0
	p.EconomiserPumpPa, p.EconomiserPumpEfficiency, p.ChilledPumpPa, p.ChilledPumpEfficiency, p.PartLoadRatio = 0, 0, 0, 0, 0
}

// coldPlate takes three quarters of the IT heat in water of 35 C and leaves the
// rest to case 2's air. The share, the 10 K rise and the pump are our
// assumptions; the tower is in its physical form.
func coldPlate(p *Plant) {
	p.AsPublished = false
	p.Source = "case 2 with 75 % of the IT heat in cold plates at 35 C; liquid figures are assumptions"
	p.LiquidHeatShare, p.LiquidSupplyC, p.LiquidRiseK = 0.75, 35, 10
	p.LiquidPumpPa, p.LiquidPumpEfficiency = 200_000, 0.6
}

// immersion takes all IT heat in tanks whose facility water is at 38 C; only
// losses and light are left to the air. Figures of the loop are our assumptions.
func immersion(p *Plant) {
	p.AsPublished = false
	p.Source = "case 2 with all IT heat in immersion tanks at 38 C; liquid figures are assumptions"
	p.LiquidHeatShare, p.LiquidSupplyC, p.LiquidRiseK = 1, 38, 8
	p.LiquidPumpPa, p.LiquidPumpEfficiency = 150_000, 0.6
}
