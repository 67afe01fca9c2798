package energy

import (
	"encoding/csv"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"tianfu/fault"
)

// ChillerKind says what a chiller gives its heat to, and so which temperature
// its coefficient of performance (COP) depends on.
type ChillerKind string

// The kinds, named as a chiller file names them.
const (
	WaterCooled     ChillerKind = "water_cooled" // condenser water: wet bulb plus tower approach
	AirCooled       ChillerKind = "air_cooled"   // outdoor dry bulb
	DirectExpansion ChillerKind = "dx"           // outdoor dry bulb, no part-load ratio
)

// Chiller is a table of COP (heat removed over electricity, no unit) by
// temperature and part-load ratio: linear between its nodes, clamped outside.
type Chiller struct {
	temps []float64 // C, ascending
	loads []float64 // part-load ratio 0..1, ascending; one node where it does not matter
	cop   [][]float64
}

// COP returns the coefficient of performance at a temperature in C and a
// part-load ratio.
func (c *Chiller) COP(celsius, load float64) float64 {
	i, a := between(c.temps, celsius)
	j, b := between(c.loads, load)
	i1, j1 := min(i+1, len(c.temps)-1), min(j+1, len(c.loads)-1)
	low := c.cop[i][j]*(1-b) + c.cop[i][j1]*b
	high := c.cop[i1][j]*(1-b) + c.cop[i1][j1]*b
	return low*(1-a) + high*a
}

// between returns the node at or below x and the share of the way to the next,
// clamped to the ends.
func between(nodes []float64, x float64) (int, float64) {
	last := len(nodes) - 1
	if !(x > nodes[0]) {
		return 0, 0
	}
	if x >= nodes[last] {
		return last, 0
	}
	i, found := slices.BinarySearch(nodes, x)
	if found {
		return i, 0
	}
	i--
	return i, (x - nodes[i]) / (nodes[i+1] - nodes[i])
}

// MaxChillerRows bounds a chiller file.
const MaxChillerRows = 20_000

// ParseChiller reads the rows of one kind from a CSV with the columns kind,
// temp_c, part_load_ratio (empty for dx) and cop. The rows must form a full
// grid; order does not matter. Name is what errors call the file.
func ParseChiller(name string, in io.Reader, kind ChillerKind) (*Chiller, error) {
	rows, err := readChillerRows(name, in, kind)
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 {
		return nil, fault.New(fault.Invalid, name, fmt.Sprintf("no row is of the kind %s", kind), "add rows of that kind or choose another plant")
	}
	c := &Chiller{}
	for at := range rows {
		c.temps = append(c.temps, at[0])
		c.loads = append(c.loads, at[1])
	}
	slices.Sort(c.temps)
	slices.Sort(c.loads)
	c.temps, c.loads = slices.Compact(c.temps), slices.Compact(c.loads)
	for _, t := range c.temps {
		line := make([]float64, len(c.loads))
		for j, l := range c.loads {
			cop, ok := rows[[2]float64{t, l}]
			if !ok {
				return nil, fault.New(fault.Invalid, name, fmt.Sprintf("%s has no row for %g C at part-load ratio %g", kind, t, l), "every temperature needs the same part-load ratios")
			}
			line[j] = cop
		}
		c.cop = append(c.cop, line)
	}
	return c, nil
}

func readChillerRows(name string, in io.Reader, kind ChillerKind) (map[[2]float64]float64, error) {
	r := csv.NewReader(in)
	header, err := r.Read()
	if err != nil {
		return nil, csvFault(name, err, "kind,temp_c,part_load_ratio,cop")
	}
	if got := strings.Join(header, ","); got != "kind,temp_c,part_load_ratio,cop" {
		return nil, fault.New(fault.Invalid, name+":1", fmt.Sprintf("columns %q", got), "a chiller file has the columns kind,temp_c,part_load_ratio,cop")
	}
	rows := map[[2]float64]float64{}
	err = eachRow(name, r, MaxChillerRows, func(line int, row []string) error {
		if ChillerKind(row[0]) != kind {
			return nil
		}
		where := lineOf(name, line)
		at, cop, err := chillerRow(where, row)
		if err != nil {
			return err
		}
		if _, twice := rows[at]; twice {
			return fault.Invalidf(where, "%s at %g C and part-load ratio %g is given twice", kind, at[0], at[1])
		}
		rows[at] = cop
		return nil
	})
	return rows, err
}

func chillerRow(where string, row []string) (at [2]float64, cop float64, err error) {
	if at[0], err = bounded(where, "temp_c", row[1], -60, 100); err != nil {
		return
	}
	if row[2] != "" {
		if at[1], err = bounded(where, "part_load_ratio", row[2], 0, 1); err != nil {
			return
		}
	} else if row[0] != string(DirectExpansion) {
		return at, 0, fault.Invalidf(where, "part_load_ratio is empty; only dx may leave it out")
	}
	cop, err = bounded(where, "cop", row[3], 0.1, 100)
	return
}

// bounded reads a finite number within limits, both included.
func bounded(where, what, s string, low, high float64) (float64, error) {
	f, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
	if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
		return 0, fault.Invalidf(where, "%s %q is not a number", what, s)
	}
	if f < low || f > high {
		return 0, fault.Invalidf(where, "%s %s is outside %g to %g", what, strings.TrimSpace(s), low, high)
	}
	return f, nil
}
