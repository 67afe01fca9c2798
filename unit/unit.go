// Package unit owns the quantities Tianfu counts in: instants, CPU, memory,
// shares of an accelerator, power and energy, and how people write them. It
// never reads a clock and knows nothing of nodes or jobs. Read this file first;
// parse.go reads what people write.
package unit

import (
	"strconv"
	"time"
)

// Instant is a point in time in nanoseconds since 1970-01-01T00:00:00Z. In a
// simulation it may count from a start of its own.
type Instant int64

// Never is an instant after every other.
const Never = Instant(1<<63 - 1)

// Add returns the instant d later; it saturates at Never.
func (t Instant) Add(d time.Duration) Instant {
	s := t + Instant(d)
	if d > 0 && s < t {
		return Never
	}
	return s
}

// Sub returns the time from u to t.
func (t Instant) Sub(u Instant) time.Duration { return time.Duration(t - u) }

// Seconds returns whole seconds since the epoch, rounded down.
func (t Instant) Seconds() int64 {
	s := int64(t) / int64(time.Second)
	if int64(t)%int64(time.Second) < 0 {
		s--
	}
	return s
}

// At returns the instant s seconds after the epoch.
func At(s int64) Instant { return Instant(s) * Instant(time.Second) }

// MilliCPU is processor capacity in thousandths of one logical CPU.
type MilliCPU int32

// MiB is memory in mebibytes.
type MiB int32

// Milli is a share of one accelerator in thousandths.
type Milli int32

// Whole is one whole accelerator.
const Whole Milli = 1000

// Watts is electrical power.
type Watts float64

// KWh is electrical energy in kilowatt-hours.
type KWh float64

// Yuan is money in CNY.
type Yuan float64

// Over returns the energy of drawing w for d.
func (w Watts) Over(d time.Duration) KWh { return KWh(float64(w) * d.Hours() / 1000) }

// String renders thousandths as CPUs: "1.5".
func (c MilliCPU) String() string { return milliString(int64(c)) }

// String renders a share as accelerators: "0.25".
func (m Milli) String() string { return milliString(int64(m)) }

// String renders memory in the largest binary unit that loses nothing: "16GiB".
func (m MiB) String() string {
	switch {
	case m != 0 && m%(1<<20) == 0:
		return strconv.Itoa(int(m>>20)) + "TiB"
	case m != 0 && m%(1<<10) == 0:
		return strconv.Itoa(int(m>>10)) + "GiB"
	}
	return strconv.Itoa(int(m)) + "MiB"
}

// String renders power as "350W" or "1.5kW".
func (w Watts) String() string {
	if w >= 1000 || w <= -1000 {
		return strconv.FormatFloat(float64(w)/1000, 'f', -1, 64) + "kW"
	}
	return strconv.FormatFloat(float64(w), 'f', -1, 64) + "W"
}

func milliString(n int64) string {
	return strconv.FormatFloat(float64(n)/1000, 'f', -1, 64)
}
