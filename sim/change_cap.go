package sim

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"tianfu/control"
	"tianfu/energy"
	"tianfu/fault"
	"tianfu/fleet"
	"tianfu/sched"
	"tianfu/unit"
)

// defaultOverhead is facility power over IT power of a site of which nothing is
// declared.
const defaultOverhead = 1.25

// cap lowers what an area may draw, from the beginning of the period or
// some time after it. A site without a declared limit has the one that all its
// nodes at full load draw.
func (c *Change) cap(p *TimedParams) error {
	begin := p.Begin()
	words := slices.Clone(c.words)
	for i := 0; i+1 < len(words); i++ { // "for 6d" is "for=6d"
		if words[i] == "for" || words[i] == "from" || words[i] == "every" {
			words = slices.Replace(words, i, i+2, words[i]+"="+words[i+1])
		}
	}
	k, err := sched.ParseCap(strings.Join(words, " "), begin)
	if err != nil {
		return fault.Wrap(err, "change "+strconv.Quote(c.Text), "read the cap")
	}
	if p.Power == nil {
		return c.wrong("limits power, and no power model of the nodes is known: name one with --power")
	}
	if p.Tree == nil {
		if err := c.oneSite(p, k.Area); err != nil {
			return err
		}
	}
	tree := *p.Tree
	at := slices.IndexFunc(tree.Areas, func(a sched.PowerArea) bool { return a.Path == k.Area })
	if at < 0 {
		return c.wrong("names an area that is not declared")
	}
	if err := control.CheckCap(&k, &tree.Areas[at], int64(idleOf(p, k.Area)*1000)); err != nil {
		return fault.Wrap(err, "change "+strconv.Quote(c.Text), "take the cap")
	}
	tree.Caps = append(slices.Clone(tree.Caps), k)
	p.Tree = &tree
	return nil
}

// inArea tells whether a node stands in an area.
func inArea(n *fleet.Node, path string) bool {
	at := n.Place.Path() + "/" + string(n.ID)
	return at == path || strings.HasPrefix(at, path+"/")
}

// idleOf is what the nodes of an area draw with nothing running.
func idleOf(p *TimedParams, path string) (sum unit.Watts) {
	for i := range p.Fleet.Nodes {
		if n := &p.Fleet.Nodes[i]; inArea(n, path) {
			sum += p.Power[i].IdleWatts(len(n.Devices))
		}
	}
	return sum
}

// oneSite declares the limit of a site that has none. A fleet without places
// stands at the site that is named.
func (c *Change) oneSite(p *TimedParams, name string) error {
	if strings.Contains(name, "/") {
		return c.wrong("names an area inside a site, and no power tree is declared")
	}
	f := *p.Fleet
	f.Nodes = slices.Clone(f.Nodes)
	for i := range f.Nodes {
		if f.Nodes[i].Place == (fleet.Place{}) {
			f.Nodes[i].Place.Site = name
		}
	}
	if hours, ok := p.Hours[""]; ok && p.Hours[name] == nil {
		p.Hours = map[string][]energy.SiteHour{name: hours}
	}
	full := unit.Watts(0)
	for i := range f.Nodes {
		if n := &f.Nodes[i]; inArea(n, name) {
			full += p.Power[i].FullWatts(len(n.Devices))
		}
	}
	if full == 0 {
		return c.wrong(fmt.Sprintf("names a site at which no node stands: %s", name))
	}
	p.Fleet = &f
	p.Tree = &sched.Power{Protect: sched.NoProtect, CapLatency: sched.DefaultCapLatency, Grace: sched.DefaultGrace, Areas: []sched.PowerArea{{
		Path: name, Level: "site", Parent: -1, Limit: sched.Milliwatts(full * defaultOverhead), Warn: sched.DefaultWarn, Resume: sched.DefaultResume,
		Overhead: defaultOverhead * sched.Million,
	}}}
	return nil
}
