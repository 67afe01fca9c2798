package energy

import "math"

// This file is moist air by the formulas of ASHRAE Handbook Fundamentals
// (2017, SI), chapter 1. Temperatures are in degrees Celsius, pressures in Pa,
// humidity ratios in kg of water per kg of dry air, relative humidities as a
// share 0..1. Air and vapour are taken as ideal gases (no enhancement factor),
// as PsychroLib and the published plant model do.

// waterRatio is the molar mass of water over that of dry air.
const waterRatio = 0.621945

// lowestCelsius and highestCelsius are where Hyland and Wexler's formula holds.
const (
	lowestCelsius  = -100
	highestCelsius = 200
)

// SaturationPressure returns the pressure in Pa of water vapour over ice below
// 0.01 C and over liquid water above (Hyland and Wexler 1983; ASHRAE 2017,
// equations 5 and 6). Temperatures outside -100..200 C are taken at the limit.
func SaturationPressure(celsius float64) float64 {
	celsius = min(max(celsius, lowestCelsius), highestCelsius)
	t := celsius + 273.15
	if celsius <= 0.01 {
		return math.Exp(-5.6745359e3/t + 6.3925247 - 9.677843e-3*t + 6.2215701e-7*t*t +
			2.0747825e-9*t*t*t - 9.484024e-13*t*t*t*t + 4.1635019*math.Log(t))
	}
	return math.Exp(-5.8002206e3/t + 1.3914993 - 4.8640239e-2*t + 4.1764768e-5*t*t -
		1.4452093e-8*t*t*t + 6.5459673*math.Log(t))
}

// HumidityRatio returns kg of water per kg of dry air at a relative humidity
// 0..1 (equation 20).
func HumidityRatio(celsius, relative, pressurePa float64) float64 {
	vapour := relative * SaturationPressure(celsius)
	return waterRatio * vapour / (pressurePa - vapour)
}

// HumidityRatioAtDewPoint returns kg of water per kg of dry air for air whose
// dew point is known.
func HumidityRatioAtDewPoint(dewPointC, pressurePa float64) float64 {
	return HumidityRatio(dewPointC, 1, pressurePa)
}

// RelativeHumidity returns the share 0..1 for a dry bulb and a dew point.
func RelativeHumidity(celsius, dewPointC float64) float64 {
	return min(SaturationPressure(dewPointC)/SaturationPressure(celsius), 1)
}

// SpecificVolume returns m3 per kg of dry air (equation 26).
func SpecificVolume(celsius, ratio, pressurePa float64) float64 {
	return 287.042 * (celsius + 273.15) * (1 + 1.607858*ratio) / pressurePa
}

// MoistVolume returns m3 per kg of moist air, which is what a fan moves.
func MoistVolume(celsius, ratio, pressurePa float64) float64 {
	return SpecificVolume(celsius, ratio, pressurePa) / (1 + ratio)
}

// WetBulb returns the thermodynamic wet-bulb temperature in C of air with a
// relative humidity 0..1, to 1e-7 K. It is where the air, saturated
// adiabatically, has the humidity ratio asked for (equations 33 and 35); found
// by bisection between the dew point and the dry bulb.
func WetBulb(celsius, relative, pressurePa float64) float64 {
	if relative >= 1 {
		return celsius
	}
	ratio := HumidityRatio(celsius, relative, pressurePa)
	low, high := dewPoint(celsius, relative), celsius
	for high-low > 1e-7 {
		middle := (low + high) / 2
		if ratioAtWetBulb(celsius, middle, pressurePa) > ratio {
			high = middle
		} else {
			low = middle
		}
	}
	return (low + high) / 2
}

// ratioAtWetBulb returns the humidity ratio of air with a dry and a wet bulb.
func ratioAtWetBulb(celsius, wetBulbC, pressurePa float64) float64 {
	saturated := HumidityRatio(wetBulbC, 1, pressurePa)
	if wetBulbC >= 0 {
		return ((2501-2.326*wetBulbC)*saturated - 1.006*(celsius-wetBulbC)) / (2501 + 1.86*celsius - 4.186*wetBulbC)
	}
	return ((2830-0.24*wetBulbC)*saturated - 1.006*(celsius-wetBulbC)) / (2830 + 1.86*celsius - 2.1*wetBulbC)
}

// dewPoint returns the temperature in C at which the vapour saturates, or the
// lowest temperature of the formula for air drier than that.
func dewPoint(celsius, relative float64) float64 {
	vapour := relative * SaturationPressure(celsius)
	low, high := float64(lowestCelsius), celsius
	for high-low > 1e-7 {
		middle := (low + high) / 2
		if SaturationPressure(middle) > vapour {
			high = middle
		} else {
			low = middle
		}
	}
	return low
}

// StandardPressure returns the pressure in Pa of the standard atmosphere at a
// height in metres above the sea (equation 3).
func StandardPressure(metres float64) float64 {
	return 101325 * math.Pow(1-2.25577e-5*metres, 5.2559)
}
