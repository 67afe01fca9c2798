package energy

import (
	"tianfu/fault"
	"tianfu/unit"
)

// Emissions are two figures for the same energy (GHG Protocol, scope 2): what
// the place's grid emitted, and what contracts assign. Neither replaces the
// other, and neither is subtracted from the other.
type Emissions struct {
	LocationKg    float64
	LocationKnown bool
	MarketKg      float64
	MarketKnown   bool
}

// Certificate is green power bought with a certificate, or a contract with a
// factor of its own.
type Certificate struct {
	Energy unit.KWh
	Factor unit.KgPerKWh // 0 for wind, sun and water
}

// EmissionsOf returns both figures for an energy used. Location is the grid's
// intensity at the place; certificates do not touch it. The market figure takes
// the certificates' own factors first and the residual mix for the rest; it is
// unknown where a rest has no residual figure, since the location's average
// would count the sold green power twice. Certificates for more energy than was
// used are an error.
func EmissionsOf(used unit.KWh, location, residual Reading, certificates []Certificate) (Emissions, error) {
	var e Emissions
	if !(used >= 0) {
		return e, fault.Invalidf("emissions", "energy used is %g kWh", float64(used))
	}
	if location.Nature.Basis != Location {
		return e, fault.Invalidf("emissions", "the location figure is %s", location.Nature)
	}
	if residual.Known && residual.Nature.Basis != Market {
		return e, fault.Invalidf("emissions", "the residual mix is %s", residual.Nature)
	}
	e.LocationKnown = location.Known
	if location.Known {
		e.LocationKg = float64(used) * float64(location.Value)
	}
	rest := used
	for _, c := range certificates {
		if !(c.Energy >= 0) || !(c.Factor >= 0) {
			return Emissions{}, fault.Invalidf("emissions", "a certificate for %g kWh at %g kg/kWh", float64(c.Energy), float64(c.Factor))
		}
		rest -= c.Energy
		e.MarketKg += float64(c.Energy) * float64(c.Factor)
	}
	if rest < 0 {
		return Emissions{}, fault.New(fault.Invalid, "emissions", "certificates cover more energy than was used", "leave the surplus to another period")
	}
	e.MarketKnown = rest == 0 || residual.Known
	if !e.MarketKnown {
		e.MarketKg = 0
	} else {
		e.MarketKg += float64(rest) * float64(residual.Value)
	}
	return e, nil
}
