package meter

import (
	"cmp"
	"slices"
	"time"

	"tianfu/fault"
	"tianfu/job"
	"tianfu/unit"
)

// MaxCharges bounds what one book holds.
const MaxCharges = 500_000

// Charge is what one holder, or one line without a holder, comes to at one site
// on one day of the site's calendar.
type Charge struct {
	Day  string       `json:"day"` // in the site's time zone
	From unit.Instant `json:"from_ns"`
	To   unit.Instant `json:"to_ns"`
	// MonthFrom and MonthTo are the month of that calendar which the day is in.
	MonthFrom unit.Instant `json:"month_from_ns"`
	MonthTo   unit.Instant `json:"month_to_ns"`
	Site      string       `json:"site"`
	Line      string       `json:"line"` // task, idle, loss, unexplained, service
	Tenant    job.Tenant   `json:"tenant,omitempty"`
	Queue     job.Queue    `json:"queue,omitempty"`
	Job       job.ID       `json:"job,omitempty"`
	Name      string       `json:"name,omitempty"` // of the job
	Service   string       `json:"service,omitempty"`
	Model     string       `json:"accelerator,omitempty"` // of the nodes it held
	Measured  int64        `json:"measured_mj"`           // of the IT energy: from meters, bridged gaps included
	Missing   string       `json:"missing,omitempty"`     // factors that nobody knew for a part of the time
	Totals
	// Resources is due for what was held, by the rate card, in nano-yuan.
	Resources unit.NanoYuan `json:"resources_nano_yuan"`

	missing Missing
}

// Whole returns all that is due: energy at the tariff of its hours, and what was
// held by the rate card.
func (c *Charge) Whole() unit.NanoYuan { return c.Cost + c.Resources }

// Facts are what a book needs to know of a job.
type Facts struct {
	Tenant job.Tenant
	Queue  job.Queue
	Name   string
}

// Rates are prices of what is held, per hour, beside energy at its tariff.
type Rates struct {
	CPUHour    unit.NanoYuan            `json:"cpu_hour_nano_yuan"`    // of a logical CPU
	MemoryHour unit.NanoYuan            `json:"memory_hour_nano_yuan"` // of a GiB
	Devices    map[string]unit.NanoYuan `json:"devices_nano_yuan"`     // an accelerator-hour, by model; "" = of all others
}

// of returns what is due for what was held.
func (r *Rates) of(t *Totals, model string) unit.NanoYuan {
	device, ok := r.Devices[model]
	if !ok {
		device = r.Devices[""]
	}
	due := int64(0)
	for _, v := range [...][3]int64{{t.CPUHeld, int64(r.CPUHour), 3_600_000_000}, {t.MemorySecs, int64(r.MemoryHour), 1024 * 3600}, {t.DeviceMillis, int64(device), 1000 * 3600}} {
		q, _ := mulDiv(v[0], v[1], v[2])
		due += q
	}
	return unit.NanoYuan(due)
}

// Book adds pages up to charges. Its functions say what the pages do not.
type Book struct {
	Zone  func(site string) *time.Location
	Model func(node int32) string // accelerator model; "" without

	charges map[chargeKey]*Charge
	days    map[string]dayOf
	Meter   Totals // everything
	Err     error  // for a caller that cannot stop at once
}

// dayOf remembers the day that pages of a site last fell on.
type dayOf struct {
	from, to           unit.Instant
	monthFrom, monthTo unit.Instant
	name               string
}

type chargeKey struct {
	day, site, model string
	line             Line
	job              job.ID
}

// Add adds a page. An interval belongs to the day it begins on.
func (b *Book) Add(p *Page) error {
	if b.charges == nil {
		b.charges, b.days = map[chargeKey]*Charge{}, map[string]dayOf{}
	}
	day := b.day(p.Site, p.From)
	missing := p.Hour.Missing()
	for i := range p.Nodes {
		n := &p.Nodes[i]
		model := ""
		if n.Node >= 0 {
			model = b.Model(n.Node)
		}
		for k := range n.Parts {
			q := &n.Parts[k]
			key := chargeKey{day.name, p.Site, model, q.Line, q.Job}
			if q.Line != TaskLine {
				key.model = ""
			}
			c := b.charges[key]
			if c == nil {
				if len(b.charges) >= MaxCharges {
					return fault.New(fault.Exhausted, "ledger", "more charges than one answer holds", "ask for a shorter time")
				}
				c = &Charge{Day: day.name, MonthFrom: day.monthFrom, MonthTo: day.monthTo, Site: p.Site, Line: q.Line.String(), Job: q.Job, Model: key.model, From: p.From, To: p.To}
				b.charges[key] = c
			}
			c.From, c.To = min(c.From, p.From), max(c.To, p.To)
			c.missing |= missing
			if n.Basis == Measured || n.Basis == Estimated {
				c.Measured += int64(q.IT())
			}
			c.Totals.Add(q)
			b.Meter.Add(q)
		}
	}
	return nil
}

func (b *Book) day(site string, at unit.Instant) dayOf {
	if d := b.days[site]; d.name != "" && d.from <= at && at < d.to {
		return d
	}
	local := time.Unix(0, int64(at)).In(b.Zone(site))
	first := time.Date(local.Year(), local.Month(), local.Day(), 0, 0, 0, 0, local.Location())
	month := time.Date(local.Year(), local.Month(), 1, 0, 0, 0, 0, local.Location())
	d := dayOf{unit.Instant(first.UnixNano()), unit.Instant(first.AddDate(0, 0, 1).UnixNano()),
		unit.Instant(month.UnixNano()), unit.Instant(month.AddDate(0, 1, 0).UnixNano()), local.Format(time.DateOnly)}
	b.days[site] = d
	return d
}

// Charges returns what the pages came to: by day, site, line, tenant and job.
// Of says what is known of a job; rates may be nil.
func (b *Book) Charges(of func(job.ID) Facts, rates *Rates) []Charge {
	out := make([]Charge, 0, len(b.charges))
	for _, c := range b.charges {
		if c.Line == TaskLine.String() {
			f := of(c.Job)
			c.Tenant, c.Queue, c.Name = f.Tenant, f.Queue, f.Name
			if rates != nil {
				c.Resources = rates.of(&c.Totals, c.Model)
			}
		}
		c.Missing = c.missing.String()
		out = append(out, *c)
	}
	slices.SortFunc(out, func(x, y Charge) int {
		return cmp.Or(cmp.Compare(x.Day, y.Day), cmp.Compare(x.Site, y.Site), cmp.Compare(x.Line, y.Line), cmp.Compare(x.Tenant, y.Tenant),
			cmp.Compare(x.Job, y.Job), cmp.Compare(x.Model, y.Model))
	})
	return out
}

// Dimension is what usage is shown by.
type Dimension string

// The dimensions.
const (
	ByTenant  Dimension = "tenant"
	ByQueue   Dimension = "queue"
	ByJob     Dimension = "job"
	ByService Dimension = "service"
	BySite    Dimension = "site"
	ByDay     Dimension = "day"
)

// Row is a sum of charges.
type Row struct {
	Key  string `json:"key"`
	Line string `json:"line"`
	Name string `json:"name,omitempty"`
	Totals
	Resources unit.NanoYuan `json:"resources_nano_yuan"`
	Percent   float64       `json:"percent"` // of the energy at the site's meter
	Missing   string        `json:"missing,omitempty"`
}

// Sum adds charges up by a dimension: first the holders, the largest first, then
// the lines that have none, then everything as one row, which is the meter.
func Sum(charges []Charge, by Dimension) (rows []Row, whole Row) {
	type key struct{ line, of string }
	at := map[key]int{}
	whole = Row{Key: "meter", Line: "all"}
	for i := range charges {
		c := &charges[i]
		k := key{c.Line, ""}
		name := ""
		if c.Line == TaskLine.String() || c.Line == ServiceLine.String() {
			k.line = TaskLine.String()
			k.of, name = c.key(by)
		} else if by == BySite || by == ByDay {
			k.of, _ = c.key(by)
		}
		n, seen := at[k]
		if !seen {
			n = len(rows)
			at[k] = n
			rows = append(rows, Row{Key: k.of, Line: k.line, Name: name})
		}
		for _, r := range []*Row{&rows[n], &whole} {
			r.Totals.Sum(&c.Totals)
			r.Resources += c.Resources
			if r.Missing == "" {
				r.Missing = c.Missing
			}
		}
	}
	all := float64(whole.Energy())
	for i := range rows {
		if all > 0 {
			rows[i].Percent = 100 * float64(rows[i].Energy()) / all
		}
	}
	if all > 0 {
		whole.Percent = 100
	}
	held := func(r *Row) int {
		if r.Line == TaskLine.String() {
			return 0
		}
		return 1
	}
	slices.SortFunc(rows, func(a, b Row) int {
		return cmp.Or(held(&a)-held(&b), cmp.Compare(a.Line, b.Line), cmp.Compare(b.Energy(), a.Energy()), cmp.Compare(a.Key, b.Key))
	})
	return rows, whole
}

func (c *Charge) key(by Dimension) (key, name string) {
	switch by {
	case ByTenant:
		return string(c.Tenant), ""
	case ByQueue:
		return string(c.Queue), ""
	case ByJob:
		return c.Job.String(), c.Name
	case ByService:
		return c.Service, ""
	case BySite:
		return c.Site, ""
	}
	return c.Day, ""
}
