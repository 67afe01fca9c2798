package drawing

import (
	"strings"
	"testing"
)

// TestStripLiesUnderItsChart draws a strip with a gap: its cells stand where the
// chart's x axis says, the least is light and the most is dark, and table and
// pointer read the same values.
func TestStripLiesUnderItsChart(t *testing.T) {
	c := Chart{Kind: "tenant", XName: "hours", YName: "kW", XUnit: "hours", YUnit: "kW", Stacked: true,
		Curves: []Curve{{Name: "a", X: []float64{0, 1, 2, 4}, Y: []float64{1, 2, 3, 3}}},
		Strip:  &Strip{Name: "carbon intensity", Unit: "g/kWh", From: []float64{0, 1, 3}, To: []float64{1, 2, 4}, Y: []float64{100, 700, 400}}}
	page, table := c.draw("title", &palette{})
	for _, want := range []string{`<path class="q1" d="M0 .5h250"/>`, `<path class="q6" d="M250 .5h250"/>`, `<path class="q4" d="M750 .5h250"/>`, "strip: carbon intensity, g/kWh", "100 to 200", "600 to 700"} {
		if !strings.Contains(page, want) {
			t.Errorf("no %s in\n%s", want, page)
		}
	}
	if got := table.Header[len(table.Header)-1]; got != "carbon intensity, g/kWh" {
		t.Errorf("the last column is %s", got)
	}
	var cells []string
	for _, row := range table.Rows {
		cells = append(cells, row[0]+" "+row[len(row)-1])
	}
	if got := strings.Join(cells, ", "); got != "0 100, 1 700, 2 700, 4 400" {
		t.Errorf("the table says %s", got)
	}
}
