package meter

import (
	"math/bits"

	"tianfu/energy"
	"tianfu/fault"
	"tianfu/unit"
)

// Checker holds pages of a ledger to their sums. It shares no arithmetic with
// attribution: it multiplies back what attribution divided. Give it every page
// of a centre in order.
type Checker struct {
	Pages, Nodes, Figures int64 // that were held to their sums

	ends  map[string]unit.Instant
	nodes map[int32]Carry
	sites map[string]Carry
}

// Check says what is wrong with the next page: that its interval does not follow
// the one before of its site, or that the parts of a node do not sum to the
// node's meter, or its energy times the hour's factor to a figure.
func (c *Checker) Check(p *Page) error {
	if c.ends == nil {
		c.ends, c.nodes, c.sites = map[string]unit.Instant{}, map[int32]Carry{}, map[string]Carry{}
	}
	where := "site " + p.Site + " from " + p.From.String()
	if end, seen := c.ends[p.Site]; seen && end != p.From || p.To <= p.From {
		return fault.Invalidf(where, "the interval does not follow the one before")
	}
	c.ends[p.Site] = p.To
	c.Pages++
	for i := range p.Nodes {
		n := &p.Nodes[i]
		var before Carry
		if n.Node < 0 {
			before, c.sites[p.Site] = c.sites[p.Site], n.Carry
		} else {
			before, c.nodes[n.Node] = c.nodes[n.Node], n.Carry
		}
		if err := c.node(where, p, n, before); err != nil {
			return err
		}
	}
	return nil
}

func (c *Checker) node(where string, p *Page, n *NodePart, before Carry) error {
	var t Totals
	for i := range n.Parts {
		q := &n.Parts[i]
		if q.Line != LossLine && (q.Idle < 0 || q.Dynamic < 0 || q.Facility < 0) {
			return fault.Invalidf(where, "node %d has energy below zero", n.Node)
		}
		t.Add(q)
	}
	c.Nodes++
	if n.Reading != Unknown && n.Node >= 0 && t.IT() != n.Reading+n.Late+unit.Millijoules(n.Carry.Owed-before.Owed) {
		return fault.Invalidf(where, "the parts of node %d sum to %d mJ, its meter to %d", n.Node, t.IT(), n.Reading)
	}
	overhead := p.Hour.PUE
	if overhead != energy.NoData {
		overhead -= 1e6
	}
	if n.Node < 0 {
		overhead = energy.NoData // the loss is what is left, and not a product
		t.Facility, n = 0, &NodePart{Node: -1, Carry: n.Carry, Parts: n.Parts}
		t.Dynamic = n.Parts[0].Facility
	}
	for _, f := range [...]struct {
		what          string
		of            unit.Millijoules
		factor, each  int64
		got           int64
		before, after int64
	}{
		{"facility energy", t.IT(), overhead, 1e6, int64(t.Facility), before.Facility, n.Carry.Facility},
		{"location carbon", t.Energy(), p.Hour.CarbonLocation, 3_600_000, int64(t.CarbonLocation), before.CarbonLocation, n.Carry.CarbonLocation},
		{"market carbon", t.Energy(), p.Hour.CarbonMarket, 3_600_000, int64(t.CarbonMarket), before.CarbonMarket, n.Carry.CarbonMarket},
		{"cost", t.Energy(), p.Hour.Price, unit.MillijoulesPerKWh, int64(t.Cost), before.Cost, n.Carry.Cost},
		{"water", t.IT(), p.Hour.Water, unit.MillijoulesPerKWh, int64(t.Water), before.Water, n.Carry.Water},
	} {
		if n.Node < 0 && (f.what == "water" || f.what == "facility energy") {
			continue
		}
		c.Figures++
		if f.factor == energy.NoData {
			if f.got != 0 {
				return fault.Invalidf(where, "node %d has %s without a factor", n.Node, f.what)
			}
			continue
		}
		if left, right := wide(int64(f.of), f.factor, f.before), wide(f.got, f.each, f.after); left != right || f.after < 0 || f.after >= f.each {
			return fault.Invalidf(where, "the %s of node %d is %d, not energy times the factor %d with what was carried", f.what, n.Node, f.got, f.factor)
		}
	}
	return nil
}

// wide is a*b + c of signed integers in two's complement, high word first.
func wide(a, b, c int64) [2]uint64 {
	hi, lo := bits.Mul64(uint64(a), uint64(b))
	if a < 0 {
		hi -= uint64(b)
	}
	if b < 0 {
		hi -= uint64(a)
	}
	lo, over := bits.Add64(lo, uint64(c), 0)
	hi, _ = bits.Add64(hi, uint64(c>>63), over)
	return [2]uint64{hi, lo}
}
