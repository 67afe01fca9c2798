// Package drawing owns pages with figures: the shapes of charts, maps and flows,
// and how they are drawn as one HTML file that needs no network. It knows nothing of
// what it draws and never reads a file. Read this file first: it has the shapes;
// html.go makes the page of them, chart.go, bars.go, heat.go, strip.go and sankey.go
// the pictures.
package drawing

// Report is a page about a run: what was found, what was run, and figures in
// sections. WriteHTML draws it. It holds no wall time, so equal runs make equal
// pages.
type Report struct {
	Kind     string // what kind of run, a few words
	Title    string // what was found, one sentence
	Lead     string // how to read the page
	Ran      []Fact // what was run
	Tiles    []Tile
	Sections []Section
	Repeat   string // the command that makes the run again
	Records  []Fact // hashes of record logs
	// Colours lists names that have the same colour on every page, by the kind of
	// what they name (Chart.Kind).
	Colours map[string][]string
}

// Add makes a section of the figures that say something; nil ones do not.
func (r *Report) Add(name string, figures ...*Figure) {
	s := Section{Name: name}
	for _, f := range figures {
		if f != nil {
			s.Figures = append(s.Figures, *f)
		}
	}
	if len(s.Figures) > 0 {
		r.Sections = append(r.Sections, s)
	}
}

// Fact is a named text at the head of a report.
type Fact struct{ Label, Value string }

// Tile is a large figure at the head of a report.
type Tile struct{ Label, Value, Unit, Note string }

// Section is a part of the page under one heading.
type Section struct {
	Name, Note string
	Figures    []Figure
}

// Figure is one picture with its words. At most one of Chart, Bars, Dots, Grid,
// Map and Compare is drawn; with none of them Empty says why there is nothing
// to see.
type Figure struct {
	Title   string // states the finding
	Note    string // how it is counted
	Empty   string
	Wide    bool // takes the whole width
	Chart   *Chart
	Bars    *BarChart
	Dots    *DotChart
	Grid    *HeatGrid
	Map     *FleetMap
	Compare *Comparison
	Sankey  *Sankey
}

// Chart is curves over one axis, or areas stacked in the order of the curves.
type Chart struct {
	Kind         string // what the curves stand for: policy, cause, class, tenant; chooses colours
	Curves       []Curve
	Stacked      bool
	XName, YName string // axis labels with units
	XUnit, YUnit string // beside values under the pointer
	XLog, YLog   bool   // logarithmic above 1, with a place for 0
	XTime        bool   // x is in seconds
	XFrom        float64
	YFrom, YTo   float64 // the axis begins at YFrom and reaches at least YTo
	Mark         float64 // an upright line at this x, named MarkName; 0 = none
	MarkName     string
	Limit        float64 // a level line, named LimitName; 0 = none
	LimitName    string
	Strip        *Strip // under the plot, over the same x; nil = none
}

// Curve is one line of a chart; Low and High, when given, are a band around it.
type Curve struct {
	Name      string
	X, Y      []float64
	Low, High []float64
	Key       string // chooses the colour; empty = Name
	Dashed    bool
}

// BarChart is a horizontal bar for each row, cut into parts. With one part a
// row, bars take the colour of the row.
type BarChart struct {
	Kind   string // what the parts stand for, or the rows where there is one part
	Labels []string
	Rows   []Bars
	Unit   string
	Max    float64 // length of the scale; 0 = the longest bar
}

// Bars is a set of named amounts.
type Bars struct {
	Name   string
	Labels []string
	Values []float64
	Key    string // chooses the colour; empty = Name
}

// DotChart is a row of marks for each name.
type DotChart struct {
	Rows       []DotRow
	Name, Unit string
	Log        bool     // logarithmic above 1 second
	Joined     bool     // a line joins the marks of a row
	Policies   []string // when rows of one name are told apart by policy
}

// DotRow is a row of a DotChart; Key is the policy whose colour it has.
type DotRow struct {
	Name, Key string
	Values    []float64
	Labels    []string
}

// HeatGrid is shares, 0 to 1, by rows and times; -1 = takes no work.
type HeatGrid struct {
	Rows         []string // what a row is
	Groups       []GridGroup
	Times        []float64 // right end of every column
	Mark         float64   // an upright line at this time, named MarkName; 0 = none
	MarkName     string
	Share        [][]float32
	XName, XUnit string
}

// GridGroup is a run of rows of a HeatGrid under one name.
type GridGroup struct {
	Name  string
	Rows  int
	Nodes int
	CPU   bool // of nodes without accelerators
}

// FleetMap shows how full every node is at chosen times.
type FleetMap struct{ Panels []HeatMap }

// HeatMap shows how full every node is at one time. Groups are sites and
// models; a node is a cell.
type HeatMap struct {
	Name   string
	Groups []HeatGroup
}

// HeatGroup is a block of cells. Used is 0 to 1, or -1 for a node that takes no
// work.
type HeatGroup struct {
	Name  string
	Nodes []string
	Used  []float32
}

// Comparison is figures by row and policies by column.
type Comparison struct {
	Policies []string
	Rows     []CompareRow
}

// CompareRow is one figure of every policy. Better is 1 where more is better,
// -1 where less is, 0 where neither. A NaN is shown as a dash.
type CompareRow struct {
	Name   string
	Values []float64
	Unit   string
	Digits int
	Better int
}

// ReportTable is a table with a heading; cells are text.
type ReportTable struct {
	Name   string
	Header []string
	Rows   [][]string
}
