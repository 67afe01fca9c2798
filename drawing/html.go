package drawing

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
	"io"
	"strconv"
)

//go:embed report.html.tmpl
var reportTemplate string

//go:embed report.css
var reportStyle string

//go:embed report.js
var reportScript string

// page is a report as the template sees it.
type page struct {
	*Report
	Headline string
	Policy   string // content security policy
	CSS      template.CSS
	Script   template.HTML
	Sections []drawnSection
	Columns  int // of tiles
}

type drawnSection struct {
	Name, Note, Anchor string
	Figures            []drawnFigure
}

type drawnFigure struct {
	Title, Note, Empty string
	Wide               bool
	Drawing            template.HTML
	Table              ReportTable
	Compare            [][]comparedCell
	Header             []string
}

type comparedCell struct {
	Text string
	Best bool
}

// WriteHTML writes a report as one page that needs no network: drawings are
// inline, every drawing has its numbers as a table below it, and the page reads
// in light and dark, on paper, on a telephone and by keyboard. Texts of the
// run, which may come from anybody's file, are escaped, and the page's content
// security policy lets no script run but its own. Equal reports give equal
// bytes. It returns the error of the writer.
func WriteHTML(w io.Writer, r *Report) error {
	t, err := template.New("report").Parse(reportTemplate)
	if err != nil {
		return err
	}
	sum := sha256.Sum256([]byte(reportScript))
	p := page{
		Report: r, Headline: tie(r.Title), CSS: template.CSS(reportStyle), Script: template.HTML("<script>" + reportScript + "</script>"),
		Policy: "default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; base-uri 'none'; form-action 'none'",
	}
	p.Sections = drawSections(r.Sections, &palette{fixed: r.Colours})
	if p.Columns = len(r.Tiles); p.Columns > 6 {
		p.Columns = (p.Columns + 1) / 2
	}
	return t.Execute(w, &p)
}

func drawSections(sections []Section, colours *palette) []drawnSection {
	var out []drawnSection
	for i := range sections {
		s := &sections[i]
		d := drawnSection{Name: s.Name, Note: s.Note, Anchor: "s" + strconv.Itoa(i+1)}
		for k := range s.Figures {
			d.Figures = append(d.Figures, s.Figures[k].draw(colours))
		}
		if len(d.Figures) > 0 {
			out = append(out, d)
		}
	}
	return out
}

// picture is what every kind of picture can do: draw itself and tell its
// numbers.
type picture interface {
	draw(title string, colours *palette) (string, ReportTable)
}

func (f *Figure) draw(colours *palette) drawnFigure {
	d := drawnFigure{Title: tie(f.Title), Note: tie(f.Note), Empty: f.Empty, Wide: f.Wide}
	var shown picture
	switch {
	case f.Chart != nil:
		shown = f.Chart
	case f.Bars != nil:
		shown = f.Bars
	case f.Dots != nil:
		shown = f.Dots
	case f.Grid != nil:
		shown = f.Grid
	case f.Map != nil:
		shown = f.Map
	case f.Sankey != nil:
		shown = f.Sankey
	case f.Compare != nil:
		d.Header, d.Compare = f.Compare.cells()
		return d
	default:
		return d
	}
	drawn, table := shown.draw(f.Title, colours)
	d.Drawing, d.Table = template.HTML(drawn), table // every text in it went through markup.text or attr
	return d
}

// cells renders a comparison, the best figure of a row marked.
func (c *Comparison) cells() (header []string, rows [][]comparedCell) {
	for i := range c.Rows {
		r := &c.Rows[i]
		row := []comparedCell{{Text: r.Name}}
		for _, v := range r.Values {
			row = append(row, comparedCell{r.text(v), r.best(v)})
		}
		rows = append(rows, row)
	}
	return append([]string{""}, c.Policies...), rows
}

func (r *CompareRow) text(v float64) string {
	switch text := Digits(v, r.Digits); {
	case text == "–" || r.Unit == "":
		return text
	case r.Unit == "s":
		return Span(v)
	default:
		return text + " " + r.Unit
	}
}

// best tells whether v is better than another figure of the row and worse than
// none, as far as a reader can see.
func (r *CompareRow) best(v float64) bool {
	beats := false
	for _, o := range r.Values {
		if r.text(o) == r.text(v) {
			continue
		}
		switch d := (v - o) * float64(r.Better); {
		case d < 0:
			return false
		case d > 0:
			beats = true
		}
	}
	return beats
}
