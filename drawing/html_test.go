package drawing_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"html"
	"math"
	"regexp"
	"strings"
	"testing"

	"tianfu/drawing"
)

const evil = `<script>alert("x")</script>'"&</style>`

// evilReport has markup wherever a text can come from a file, and every kind of
// picture.
func evilReport() *drawing.Report {
	lines := func() []drawing.Curve {
		c := drawing.Curve{Name: evil}
		for x := range 131 {
			c.X, c.Y = append(c.X, float64(x)), append(c.Y, 50+float64(x)/3)
			c.Low, c.High = append(c.Low, 49+float64(x)/3), append(c.High, 51+float64(x)/3)
		}
		c.Y[3] = math.NaN()
		return []drawing.Curve{c, {Name: evil + "2", X: []float64{0, 1, 100}, Y: []float64{0, 1e6, 2e6}}}
	}
	stack := []drawing.Curve{{Name: evil, X: []float64{0, 1}, Y: []float64{1, 2}}, {Name: "b", X: []float64{0, 1}, Y: []float64{3, 4}}}
	heat := drawing.HeatMap{Name: evil, Groups: []drawing.HeatGroup{{Name: evil, Nodes: []string{evil, "n2", "n3"}, Used: []float32{0.4, -1, 1}}}}
	grid := &drawing.HeatGrid{Rows: []string{evil, "r2"}, Groups: []drawing.GridGroup{{Name: evil, Rows: 1, Nodes: 1}, {Name: "s / m", Rows: 1, Nodes: 2}},
		Times: []float64{1, 2}, Share: [][]float32{{0, 0.5}, {1, -1}}, XName: evil, XUnit: evil, Mark: 1.5, MarkName: evil}
	fig := func(f drawing.Figure) drawing.Figure { f.Title, f.Note = evil, evil; return f }
	return &drawing.Report{
		Kind: evil, Title: evil, Lead: evil, Repeat: evil, Ran: []drawing.Fact{{Label: evil, Value: evil}}, Records: []drawing.Fact{{Label: evil, Value: evil}},
		Tiles: []drawing.Tile{{Label: evil, Value: evil, Unit: evil, Note: evil}},
		Sections: []drawing.Section{{Name: evil, Note: evil, Figures: []drawing.Figure{
			fig(drawing.Figure{Chart: &drawing.Chart{Kind: evil, Curves: lines(), XName: evil, YName: evil, XUnit: evil, YUnit: evil, Mark: 5, MarkName: evil}}),
			fig(drawing.Figure{Chart: &drawing.Chart{Kind: "tenant", Curves: stack, Stacked: true}}),
			fig(drawing.Figure{Bars: &drawing.BarChart{Kind: evil, Labels: []string{evil, "b"}, Unit: evil, Rows: []drawing.Bars{{Name: evil, Values: []float64{1, 2}}}}}),
			fig(drawing.Figure{Dots: &drawing.DotChart{Name: evil, Unit: evil, Policies: []string{evil, "b"}, Rows: []drawing.DotRow{{Name: evil, Key: evil, Values: []float64{1, 2}, Labels: []string{evil, evil}}}}}),
			fig(drawing.Figure{Grid: grid}),
			fig(drawing.Figure{Map: &drawing.FleetMap{Panels: []drawing.HeatMap{heat}}}),
			fig(drawing.Figure{Empty: evil}),
			fig(drawing.Figure{Compare: &drawing.Comparison{Policies: []string{evil}, Rows: []drawing.CompareRow{{Name: evil, Unit: evil, Values: []float64{1}}}}}),
		}}},
	}
}

func page(t *testing.T, r *drawing.Report) string {
	t.Helper()
	var b bytes.Buffer
	if err := drawing.WriteHTML(&b, r); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestReportEscapesWhatComesFromFiles(t *testing.T) {
	p := page(t, evilReport())
	for _, tag := range []string{"<script", "</script", "<style", "</style"} {
		if n := strings.Count(p, tag); n != 1 {
			t.Errorf("the page has %d of %s, its own is the only one", n, tag)
		}
	}
	if strings.Contains(p, `alert("x")`) {
		t.Error("a name reached the page unescaped")
	}
	// Every opening tag holds quotes in pairs: none was broken out of.
	body := p[strings.Index(p, "<body>"):strings.Index(p, "<script")]
	for _, tag := range regexp.MustCompile(`<[a-z][^>]*>`).FindAllString(body, -1) {
		if strings.Count(tag, `"`)%2 != 0 {
			t.Errorf("quotes of an attribute do not match: %.80s", tag)
		}
		if regexp.MustCompile(`\son[a-z]+=`).MatchString(tag) {
			t.Errorf("a tag carries an event handler: %.80s", tag)
		}
	}
}

// TestOnlyThePagesOwnScriptMayRun recomputes the hash that the policy allows.
func TestOnlyThePagesOwnScriptMayRun(t *testing.T) {
	p := page(t, evilReport())
	script := regexp.MustCompile(`(?s)<script>(.*?)</script>`).FindStringSubmatch(p)
	if script == nil {
		t.Fatal("no script")
	}
	sum := sha256.Sum256([]byte(script[1]))
	policy := regexp.MustCompile(`http-equiv="Content-Security-Policy" content="([^"]*)"`).FindStringSubmatch(p)
	if policy == nil {
		t.Fatal("the page has no content security policy")
	}
	said := html.UnescapeString(policy[1])
	if want := "script-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"; !strings.Contains(said, want) {
		t.Errorf("policy %q does not allow the script: want %s", said, want)
	}
	if !strings.HasPrefix(said, "default-src 'none'") {
		t.Errorf("policy %q does not begin by forbidding everything", said)
	}
}

// TestReportNeedsNoNetwork looks for anything a browser would fetch.
func TestReportNeedsNoNetwork(t *testing.T) {
	p := page(t, evilReport())
	for _, fetch := range []string{"http://", "https://", "src=", "@import", "url(", "<link", "fetch(", "XMLHttpRequest"} {
		if strings.Contains(p, fetch) {
			t.Errorf("the page contains %q", fetch)
		}
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
	drawings := regexp.MustCompile(`(?s)<svg .*?</svg>`).FindAllString(p, -1)
	if len(drawings) != 4 {
		t.Fatalf("%d drawings, want 4", len(drawings))
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
	// Six of the eight figures are drawn; one is empty and one is a table.
	if n := strings.Count(p, "<figure>"); n != 8 {
		t.Errorf("%d figures, want 8", n)
	}
	if n := strings.Count(p, "<details><summary>As a table"); n != 6 {
		t.Errorf("%d tables, want 6", n)
	}
	if n := strings.Count(p, `role="img" tabindex="0" aria-label=`); n != 6 {
		t.Errorf("%d drawings can be reached by keyboard and have a name, want 6", n)
	}
	// The node out of service does not count in the mean use of its group.
	if !strings.Contains(p, "70.0 % in use") {
		t.Error("the page does not say the mean use of a group")
	}
}

// TestReportOfNothing draws curves in which nothing happens.
func TestReportOfNothing(t *testing.T) {
	flat := []drawing.Curve{{Name: "p", X: []float64{0}, Y: []float64{0}}, {Name: "q"}}
	var figures []drawing.Figure
	for _, c := range []drawing.Chart{{Curves: flat}, {Curves: flat, Stacked: true}, {Curves: flat, XLog: true, XTime: true}, {Curves: flat, YLog: true}, {}} {
		figures = append(figures, drawing.Figure{Chart: &c})
	}
	figures = append(figures, drawing.Figure{Bars: &drawing.BarChart{Labels: []string{"a"}, Rows: []drawing.Bars{{Name: "p", Values: []float64{0}}}}},
		drawing.Figure{Dots: &drawing.DotChart{}}, drawing.Figure{Dots: &drawing.DotChart{Rows: []drawing.DotRow{{Values: []float64{math.NaN()}, Labels: []string{"a"}}}}},
		drawing.Figure{Grid: &drawing.HeatGrid{}}, drawing.Figure{Map: &drawing.FleetMap{}}, drawing.Figure{Map: &drawing.FleetMap{Panels: []drawing.HeatMap{{Groups: []drawing.HeatGroup{{}}}}}},
		drawing.Figure{Compare: &drawing.Comparison{}})
	p := page(t, &drawing.Report{Title: "empty", Sections: []drawing.Section{{Name: "s", Figures: figures}}})
	body := p[strings.Index(p, "<body>"):strings.Index(p, "<script>")]
	if strings.Contains(body, "NaN") || strings.Contains(body, "Inf") {
		t.Error("the page has a position that is not a number")
	}
}

// TestLargeReportsStaySmallPages draws more of everything than a page can hold.
func TestLargeReportsStaySmallPages(t *testing.T) {
	var heat drawing.HeatMap
	for g := range 100 {
		group := drawing.HeatGroup{Name: fmt.Sprint("group", g)}
		for i := range 1000 {
			group.Nodes, group.Used = append(group.Nodes, fmt.Sprintf("node-%d-%d", g, i)), append(group.Used, float32(i%11)/10)
		}
		heat.Groups = append(heat.Groups, group)
	}
	p := page(t, &drawing.Report{Sections: []drawing.Section{{Figures: []drawing.Figure{{Map: &drawing.FleetMap{Panels: []drawing.HeatMap{heat}}}}}}})
	if len(p) > 400_000 {
		t.Errorf("%d bytes for one map of 100,000 nodes", len(p))
	}
	if !strings.Contains(p, "a cell is 34 nodes") {
		t.Error("the page does not say that nodes were joined")
	}
	c := drawing.Curve{Name: "long"}
	for x := range 100_000 {
		c.X, c.Y = append(c.X, float64(x)), append(c.Y, float64(x%977))
	}
	p = page(t, &drawing.Report{Sections: []drawing.Section{{Figures: []drawing.Figure{{Chart: &drawing.Chart{Curves: []drawing.Curve{c}}}}}}})
	if len(p) > 60_000 {
		t.Errorf("%d bytes for one curve of 100,000 points", len(p))
	}
	if !strings.Contains(p, "99,999") {
		t.Error("the last point of a long curve was lost")
	}
}

// TestPoliciesKeepTheirColours holds colours to names, whatever the order.
func TestPoliciesKeepTheirColours(t *testing.T) {
	colour := func(policies ...string) map[string]string {
		var curves []drawing.Curve
		for _, name := range policies {
			curves = append(curves, drawing.Curve{Name: name, X: []float64{0, 1}, Y: []float64{1, 2}})
		}
		p := page(t, &drawing.Report{Sections: []drawing.Section{{Figures: []drawing.Figure{{Chart: &drawing.Chart{Kind: "policy", Curves: curves}}}}}})
		out := map[string]string{}
		for _, m := range regexp.MustCompile(`<li class="(k. d.)"><i></i>([^<]*)</li>`).FindAllStringSubmatch(p, -1) {
			out[m[2]] = m[1]
		}
		return out
	}
	one, two := colour("tianfu", "fgd", "bestfit"), colour("bestfit", "mine", "tianfu", "pwr+fgd:100:900", "pwr+fgd:1:1")
	for _, name := range []string{"tianfu", "bestfit"} {
		if one[name] == "" || one[name] != two[name] {
			t.Errorf("%s is %q on one page and %q on another", name, one[name], two[name])
		}
	}
	seen := map[string]string{}
	for name, c := range two {
		if other, twice := seen[c]; twice {
			t.Errorf("%s and %s look alike: %s", name, other, c)
		}
		seen[c] = name
	}
	if len(two) != 5 {
		t.Errorf("%d names in the legend, want 5", len(two))
	}
}
