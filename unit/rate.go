package unit

import "math"

// TFLOPS is arithmetic throughput in 10^12 operations per second; for integer
// formats the same number counts integer operations (TOPS). Always dense: no
// structured sparsity.
type TFLOPS float64

// GBps is data throughput in 10^9 bytes per second.
type GBps float64

// YuanPerKWh is a tariff.
type YuanPerKWh float64

// KgPerKWh is the carbon intensity of electricity in kgCO2e per kWh.
type KgPerKWh float64

// KWhPerDay is the energy of a day.
type KWhPerDay float64

// KgPerDay is the carbon of a day in kgCO2e.
type KgPerDay float64

// Energy returns the energy of a day as the ledger counts it.
func (e KWhPerDay) Energy() Millijoules {
	return Millijoules(math.Round(float64(e) * MillijoulesPerKWh))
}

// Carbon returns the carbon of a day as the ledger counts it.
func (g KgPerDay) Carbon() Micrograms { return Micrograms(math.Round(float64(g) * 1e9)) }

// String renders "120kWh/day".
func (e KWhPerDay) String() string { return decimal(float64(e)) + "kWh/day" }

// String renders "15kg/day".
func (g KgPerDay) String() string { return decimal(float64(g)) + "kg/day" }

// String renders "312TFLOPS".
func (t TFLOPS) String() string { return decimal(float64(t)) + "TFLOPS" }

// String renders "2039GB/s".
func (b GBps) String() string { return decimal(float64(b)) + "GB/s" }

// String renders "0.6yuan/kWh".
func (t YuanPerKWh) String() string { return decimal(float64(t)) + "yuan/kWh" }

// String renders "0.1404kg/kWh".
func (c KgPerKWh) String() string { return decimal(float64(c)) + "kg/kWh" }

// String renders "125000yuan".
func (y Yuan) String() string { return decimal(float64(y)) + "yuan" }
