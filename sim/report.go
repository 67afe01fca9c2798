package sim

// Report is what a run is drawn from. Empty parts are left out of the page.
type Report struct {
	Title    string
	Subtitle string
	Facts    []Fact
	// By load, percent of accelerator capacity arrived (inflation protocol).
	Allocation    []Curve // % of accelerators allocated
	Fragmentation []Curve // % of accelerators that typical tasks cannot use
	LoadPower     []Curve // kW of IT equipment
	// By gang size, 1, 2, 4 ... 1024 tasks of one whole accelerator each.
	GangFit []Curve // how many more such gangs fit; "... if perfectly packed" beside it
	// Over virtual time, hours from the start (replay in time).
	Utilisation []Curve // % of accelerators held
	Pending     []Curve // jobs waiting
	TimePower   []Curve // kW of IT equipment
	Waits       []Curve // share of jobs (%) that waited at most x seconds
	Unallocated []Bars  // % of accelerators not allocated, by cause, one for each policy
	Heat        []HeatMap
	Tables      []ReportTable
}

// Fact is a figure at the head of a report.
type Fact struct{ Label, Value string }

// Curve is one line of a chart; Low and High, when given, are a band around it.
type Curve struct {
	Name      string
	X, Y      []float64
	Low, High []float64
}

// Bars is a set of named amounts.
type Bars struct {
	Name   string
	Labels []string
	Values []float64
}

// HeatMap shows how full every node is at one time. Groups are sites, halls or
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

// ReportTable is a table with a heading; cells are text.
type ReportTable struct {
	Name   string
	Header []string
	Rows   [][]string
}
