package sim_test

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"math"
	"regexp"
	"strings"
	"testing"

	"tianfu/sim"
)

// evilReport has markup wherever a text can come from a file.
func evilReport() *sim.Report {
	evil := `<script>alert("x")</script>`
	line := func(name string) []sim.Curve {
		c := sim.Curve{Name: name}
		for x := range 131 {
			c.X, c.Y = append(c.X, float64(x)), append(c.Y, 50+float64(x)/3)
			c.Low, c.High = append(c.Low, 49+float64(x)/3), append(c.High, 51+float64(x)/3)
		}
		c.Y[3] = math.NaN()
		return []sim.Curve{c, {Name: name + ", " + evil, X: []float64{0, 1, 100}, Y: []float64{0, 1e6, 2e6}}}
	}
	heat := sim.HeatMap{Name: evil, Groups: []sim.HeatGroup{{Name: evil, Nodes: []string{evil, "n2", "n3"}, Used: []float32{0.4, -1, 1}}}}
	return &sim.Report{
		Title: evil, Subtitle: evil, Facts: []sim.Fact{{Label: evil, Value: evil}},
		Allocation: line("tianfu"), Fragmentation: line("tianfu"), LoadPower: line(evil), GangFit: line("a"), Utilisation: line("a"),
		Pending: line("b"), TimePower: line("c"), Waits: line("d"),
		Unallocated: []sim.Bars{{Name: evil, Labels: []string{evil, "b"}, Values: []float64{1, 2}}},
		Heat:        []sim.HeatMap{heat}, Tables: []sim.ReportTable{{Name: evil, Header: []string{evil}, Rows: [][]string{{evil}}}},
	}
}

func page(t *testing.T, r *sim.Report) string {
	t.Helper()
	var b bytes.Buffer
	if err := sim.WriteHTML(&b, r); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestReportEscapesWhatComesFromFiles(t *testing.T) {
	p := page(t, evilReport())
	if n := strings.Count(p, "<script>"); n != 1 {
		t.Errorf("the page has %d scripts, its own is the only one", n)
	}
	if strings.Contains(p, `alert("x")</script>`) {
		t.Error("a name reached the page as markup")
	}
}

// TestReportNeedsNoNetwork looks for anything a browser would fetch.
func TestReportNeedsNoNetwork(t *testing.T) {
	p := page(t, evilReport())
	for _, fetch := range []string{"http://", "https://", "src=", "@import", "url(", "<link"} {
		if strings.Contains(p, fetch) {
			t.Errorf("the page contains %q", fetch)
		}
	}
	if !strings.Contains(p, `content="default-src 'none'`) {
		t.Error("the page has no content security policy")
	}
}

func TestEqualReportsGiveEqualBytes(t *testing.T) {
	one, two := page(t, evilReport()), page(t, evilReport())
	if one != two {
		t.Error("two pages of one report differ")
	}
}

// TestEveryDrawingIsWellFormedAndHasItsNumbers reads every drawing as XML, and
// holds every figure to a table with the same numbers.
func TestEveryDrawingIsWellFormedAndHasItsNumbers(t *testing.T) {
	p := page(t, evilReport())
	drawings := regexp.MustCompile(`(?s)<svg viewBox.*?</svg>`).FindAllString(p, -1)
	if len(drawings) != 10 {
		t.Fatalf("%d drawings, want 10", len(drawings))
	}
	for i, d := range drawings {
		dec := xml.NewDecoder(strings.NewReader(d))
		for {
			if _, err := dec.Token(); err != nil {
				if err.Error() != "EOF" {
					t.Errorf("drawing %d: %v", i, err)
				}
				break
			}
		}
		if strings.Contains(d, "NaN") || strings.Contains(d, "Inf") {
			t.Errorf("drawing %d has a position that is not a number", i)
		}
	}
	if figures, tables := strings.Count(p, "<figure>"), strings.Count(p, "<details>"); figures != tables {
		t.Errorf("%d figures and %d tables", figures, tables)
	}
	// The node out of service does not count in the mean use of its group.
	for _, want := range []string{"allocated: tianfu 83.33 %", ">130</td>", "70.0 % used"} {
		if !strings.Contains(p, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
}

// TestReportOfNothing draws curves in which nothing happens.
func TestReportOfNothing(t *testing.T) {
	flat := []sim.Curve{{Name: "p", X: []float64{0}, Y: []float64{0}}, {Name: "q"}}
	p := page(t, &sim.Report{Title: "empty", Waits: flat, Pending: flat, GangFit: flat, Utilisation: flat, Allocation: flat, TimePower: flat, Unallocated: []sim.Bars{{Name: "p", Labels: []string{"a"}, Values: []float64{0}}}})
	if strings.Contains(p, "NaN") || strings.Contains(p, "Inf") {
		t.Error("the page has a position that is not a number")
	}
}

// TestLargeFleetStaysASmallPage draws twenty thousand nodes.
func TestLargeFleetStaysASmallPage(t *testing.T) {
	g := sim.HeatGroup{Name: "g"}
	for i := range 20_000 {
		g.Nodes, g.Used = append(g.Nodes, fmt.Sprint(i)), append(g.Used, float32(i%11)/10)
	}
	p := page(t, &sim.Report{Title: "large", Heat: []sim.HeatMap{{Name: "h", Groups: []sim.HeatGroup{g}}}})
	if len(p) > 300_000 {
		t.Errorf("%d bytes for one heat map", len(p))
	}
	if !strings.Contains(p, "one node in 4 is drawn") {
		t.Error("the page does not say that nodes were left out")
	}
}
