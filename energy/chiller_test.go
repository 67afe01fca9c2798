package energy

import (
	"bytes"
	"encoding/csv"
	"math"
	"strconv"
	"strings"
	"testing"

	"tianfu/fault"
)

// TestBuiltInChillersFollowThePublishedGrid holds our curves to every sampled
// point, and between the points to the linear reading of the grid.
func TestBuiltInChillersFollowThePublishedGrid(t *testing.T) {
	text := weatherFile(t, "chiller_cop_grid.csv")
	rows, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []ChillerKind{WaterCooled, AirCooled, DirectExpansion} {
		grid, err := ParseChiller("grid", bytes.NewReader(text), kind)
		if err != nil {
			t.Fatal(err)
		}
		own := BuiltInChiller(kind)
		worst, n := 0.0, 0
		for _, row := range rows[1:] {
			if ChillerKind(row[0]) != kind {
				continue
			}
			n++
			c, _ := strconv.ParseFloat(row[1], 64)
			load, _ := strconv.ParseFloat(row[2], 64)
			cop, _ := strconv.ParseFloat(row[3], 64)
			worst = max(worst, math.Abs(own.COP(c, load)-cop))
		}
		for c := -20.0; c <= 50; c += 0.37 {
			for load := 0.0; load <= 1.1; load += 0.013 {
				worst = max(worst, math.Abs(own.COP(c, load)-grid.COP(c, load)))
			}
		}
		t.Logf("%s: %d points, worst difference of COP %.5f", kind, n, worst)
		if n == 0 || worst > 3e-4 {
			t.Errorf("%s: %d points, worst difference %g", kind, n, worst)
		}
	}
}

func TestChillerReadsLinearlyAndClamps(t *testing.T) {
	const file = "kind,temp_c,part_load_ratio,cop\nwater_cooled,10,0.5,8\nwater_cooled,20,1,4\nwater_cooled,10,1,6\nwater_cooled,20,0.5,6\nair_cooled,1,1,1\n"
	c, err := ParseChiller("f.csv", strings.NewReader(file), WaterCooled)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct{ celsius, load, cop float64 }{
		{10, 0.5, 8}, {20, 1, 4}, {15, 0.5, 7}, {15, 0.75, 6}, {0, 0, 8}, {99, 2, 4}, {20, 0.75, 5},
	} {
		if got := c.COP(x.celsius, x.load); math.Abs(got-x.cop) > 1e-12 {
			t.Errorf("COP(%g, %g) = %g, want %g", x.celsius, x.load, got, x.cop)
		}
	}
}

func TestChillerFileErrors(t *testing.T) {
	const head = "kind,temp_c,part_load_ratio,cop\n"
	for _, c := range []struct{ file, want string }{
		{"", "f.csv: the file is empty"},
		{"kind,temp,plr,cop\n", `f.csv:1: columns "kind,temp,plr,cop"`},
		{head, "no row is of the kind water_cooled"},
		{head + "water_cooled,10,0.5,8\nwater_cooled,10,0.5,7\n", "f.csv:3: water_cooled at 10 C and part-load ratio 0.5 is given twice"},
		{head + "water_cooled,10,0.5,8\nwater_cooled,20,0.6,7\n", "no row for 10 C at part-load ratio 0.6"},
		{head + "water_cooled,10,,8\n", "f.csv:2: part_load_ratio is empty"},
		{head + "water_cooled,10,0.5,0\n", "f.csv:2: cop 0 is outside 0.1 to 100"},
		{head + "water_cooled,NaN,0.5,3\n", `f.csv:2: temp_c "NaN" is not a number`},
		{head + "water_cooled,10,0.5\n", "f.csv:2: wrong number of fields"},
	} {
		_, err := ParseChiller("f.csv", strings.NewReader(c.file), WaterCooled)
		wantInvalid(t, err, c.want)
	}
}

// wantInvalid checks the kind and the words of an error.
func wantInvalid(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want an invalid one with %q", err, want)
	}
}
