package unit

import "math"

// The ledger counts in integers, so that parts sum to the whole. An int64 holds
// the month of a site of a gigawatt in each of them.

// Millijoules is electrical energy. 1 kWh = 3.6e9 mJ.
type Millijoules int64

// Micrograms is mass of CO2 equivalent. 1 kg = 1e9 µg.
type Micrograms int64

// Microlitres is volume of water. 1 litre = 1e6 µL.
type Microlitres int64

// NanoYuan is money in thousand-millionths of a yuan.
type NanoYuan int64

// MillijoulesPerKWh converts between ledger and meter reading.
const MillijoulesPerKWh = 3_600_000_000

// KWh returns the energy as people read it.
func (e Millijoules) KWh() KWh { return KWh(float64(e) / MillijoulesPerKWh) }

// Kilograms returns the mass in kg of CO2 equivalent.
func (g Micrograms) Kilograms() float64 { return float64(g) / 1e9 }

// Litres returns the volume in litres.
func (v Microlitres) Litres() float64 { return float64(v) / 1e6 }

// Yuan returns the money in yuan.
func (y NanoYuan) Yuan() Yuan { return Yuan(float64(y) / 1e9) }

// String renders energy as people read it, to the watt-hour: "120kWh".
func (e KWh) String() string { return decimal(math.Round(float64(e)*1000)/1000) + "kWh" }

// String renders mass as people read it, to the gram: "15.2kg".
func (g Micrograms) String() string { return decimal(math.Round(g.Kilograms()*1000)/1000) + "kg" }
