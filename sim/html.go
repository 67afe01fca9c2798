package sim

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"math"
	"strings"
)

//go:embed report.html.tmpl
var reportTemplate string

//go:embed report.css
var reportStyle string

//go:embed report.js
var reportScript string

// section is a part of the page.
type section struct {
	Name, Class string
	Figures     []figure
	Ramp        []heatLevel
}

// WriteHTML writes a report as one page that needs no network: drawings are
// inline, every drawing has its numbers as a table beside it, and the page
// reads in light and dark. Texts of the run, which may come from anybody's
// file, are escaped. Equal reports give equal bytes.
func WriteHTML(w io.Writer, r *Report) error {
	t, err := template.New("report").Parse(reportTemplate)
	if err != nil {
		return err
	}
	return t.Execute(w, struct {
		*Report
		CSS      template.CSS
		Script   template.JS
		Sections []section
	}{r, template.CSS(reportStyle), template.JS(reportScript), r.sections()})
}

// sections draws what the report has; the first curve of each chart, the
// policy named first, gives the title its finding.
func (r *Report) sections() []section {
	colours := &palette{}
	var out []section
	add := func(name, class string, figures ...figure) {
		var drawn []figure
		for _, f := range figures {
			if f.SVG != "" {
				drawn = append(drawn, f)
			}
		}
		if len(drawn) > 0 {
			out = append(out, section{Name: name, Class: class, Figures: drawn})
		}
	}
	add("By load", "pair", r.allocationFigure(colours), r.fragmentationFigure(colours), r.loadPowerFigure(colours))
	add("Over time", "pair", r.useFigure(colours), r.pendingFigure(colours), r.timePowerFigure(colours))
	add("Waits", "pair", r.waitFigure(colours))
	add("What is left over", "pair", r.gangFigure(colours), r.unallocatedFigure())
	if len(r.Heat) > 0 {
		s := section{Name: "The fleet, node by node", Class: "heat", Ramp: heatRamp}
		for i := range r.Heat {
			s.Figures = append(s.Figures, heatFigure(&r.Heat[i]))
		}
		out = append(out, s)
	}
	return out
}

// at returns what the curves of the first two policies say at x.
func at(curves []Curve, x float64) string {
	var said []string
	for i := range curves {
		y, ok := curves[i].value(x)
		if ok && !math.IsNaN(y) && !strings.Contains(curves[i].Name, ",") && len(said) < 2 {
			said = append(said, fmt.Sprintf("%s %.4g", curves[i].Name, y))
		}
	}
	return strings.Join(said, ", ")
}

func (r *Report) allocationFigure(p *palette) figure {
	if len(r.Allocation) == 0 {
		return figure{}
	}
	from := 80.0
	c := chart{curves: clip(r.Allocation), xName: "asked for so far, % of accelerators", yName: "% of accelerators allocated", xUnit: "% asked for", from: &from, floor: 80, flatTop: 100}
	return c.draw("When everything has been asked for, allocated: "+at(r.Allocation, 100)+" %", "from 80 % on; below, nearly everything fits", p)
}

func (r *Report) fragmentationFigure(p *palette) figure {
	if len(r.Fragmentation) == 0 {
		return figure{}
	}
	c := chart{curves: clip(r.Fragmentation), xName: "asked for so far, % of accelerators", yName: "% of accelerators", xUnit: "% asked for"}
	return c.draw("Free, but of no use to the typical task, at 100 %: "+at(r.Fragmentation, 100)+" %", "fragmentation as in FGD (USENIX ATC 2023), in % of all accelerators", p)
}

func (r *Report) loadPowerFigure(p *palette) figure {
	if !drawable(r.LoadPower) {
		return figure{}
	}
	c := chart{curves: clip(r.LoadPower), xName: "asked for so far, % of accelerators", yName: "IT power, kW", xUnit: "% asked for"}
	return c.draw("IT power at half load: "+at(r.LoadPower, 50)+" kW", "modelled draw of all nodes", p)
}

func (r *Report) useFigure(p *palette) figure {
	if len(r.Utilisation) == 0 {
		return figure{}
	}
	c := chart{curves: clip(r.Utilisation), xName: "hours since the first arrival", yName: "% of accelerators held", xUnit: "h", flatTop: 100}
	return c.draw("Accelerators held at the peak: "+peaks(r.Utilisation)+" %", "", p)
}

func (r *Report) pendingFigure(p *palette) figure {
	if len(r.Pending) == 0 {
		return figure{}
	}
	c := chart{curves: clip(r.Pending), xName: "hours since the first arrival", yName: "jobs waiting", xUnit: "h"}
	return c.draw("Longest queue: "+peaks(r.Pending)+" jobs", "", p)
}

func (r *Report) timePowerFigure(p *palette) figure {
	if !drawable(r.TimePower) {
		return figure{}
	}
	c := chart{curves: clip(r.TimePower), xName: "hours since the first arrival", yName: "IT power, kW", xUnit: "h"}
	return c.draw("Peak IT power: "+peaks(r.TimePower)+" kW", "modelled draw of all nodes", p)
}

func (r *Report) waitFigure(p *palette) figure {
	if len(r.Waits) == 0 {
		return figure{}
	}
	c := chart{curves: clip(r.Waits), xName: "waited at most, seconds", yName: "% of jobs", xUnit: "s", xLog: true, flatTop: 100}
	return c.draw("Started within a minute: "+at(r.Waits, 60)+" % of jobs", "all jobs, and the tenants with most of them", p)
}

func (r *Report) gangFigure(p *palette) figure {
	if len(r.GangFit) == 0 {
		return figure{}
	}
	c := chart{curves: clip(r.GangFit), xName: "tasks of one whole accelerator in a gang", yName: "gangs that still fit", xUnit: "tasks", xLog: true, yLog: true}
	return c.draw("Gangs of eight that still fit: "+at(r.GangFit, 8), "one model, one segment; dashed: if every free device could be used together", p)
}

func (r *Report) unallocatedFigure() figure {
	return barFigure(r.Unallocated, "Why accelerators are idle", "", "% of accelerators")
}

// clip copies curves: drawing thins them.
func clip(curves []Curve) []Curve { return append([]Curve(nil), curves...) }

// drawable tells whether any curve has a value above 0.
func drawable(curves []Curve) bool {
	for i := range curves {
		for _, y := range curves[i].Y {
			if y > 0 {
				return true
			}
		}
	}
	return false
}

// peaks names the greatest value of the first two curves.
func peaks(curves []Curve) string {
	text := ""
	for i := 0; i < len(curves) && i < 2; i++ {
		most := 0.0
		for _, y := range curves[i].Y {
			if !math.IsNaN(y) {
				most = max(most, y)
			}
		}
		if text != "" {
			text += ", "
		}
		text += curves[i].Name + " " + short(most)
	}
	return text
}
