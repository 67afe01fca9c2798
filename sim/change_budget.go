package sim

import (
	"slices"
	"strings"

	"tianfu/fault"
	"tianfu/job"
	"tianfu/sched"
	"tianfu/unit"
)

// budget changes what a tenant, or a site, may draw in a day. A budget that is new
// is of the days of the period's zone.
func (c *Change) budget(p *TimedParams) error {
	if len(c.words) < 2 {
		return c.wrong("is not in its form")
	}
	b := sched.DayBudget{Zone: p.Zone}
	kind, name, _ := strings.Cut(c.words[0], "=")
	switch {
	case name == "" || kind != "tenant" && kind != "site":
		return c.wrong("names neither a tenant nor a site")
	case kind == "tenant":
		b.Tenant = job.Tenant(name)
		if !slices.ContainsFunc(p.Workload.Jobs, func(j Arrival) bool { return j.Spec.Tenant == b.Tenant }) {
			return c.wrong("names a tenant that has no job in the period")
		}
	default:
		b.Site = name
	}
	at := slices.IndexFunc(p.DayBudgets, func(o sched.DayBudget) bool { return o.Tenant == b.Tenant && o.Site == b.Site })
	if at >= 0 {
		b = p.DayBudgets[at]
	}
	for _, word := range c.words[1:] {
		if err := c.limit(&b, word); err != nil {
			return err
		}
	}
	list := slices.Clone(p.DayBudgets)
	switch limits := b.Energy > 0 || b.Carbon > 0; {
	case limits && p.Power == nil:
		return c.wrong("limits energy or carbon, and no power model of the nodes is known: name one with --power")
	case !limits && at < 0:
		return c.wrong("takes a budget away that is not there")
	case !limits:
		list = slices.Delete(list, at, at+1)
	case at >= 0:
		list[at] = b
	default:
		list = append(list, b)
	}
	p.DayBudgets = list
	return nil
}

// limit reads energy=100kWh/day, carbon=10kg/day, or none in the place of either.
func (c *Change) limit(b *sched.DayBudget, word string) (err error) {
	what, amount, _ := strings.Cut(word, "=")
	var e unit.KWhPerDay
	var g unit.KgPerDay
	switch {
	case word == "none":
		b.Energy, b.Carbon = 0, 0
	case what == "energy" && amount == "none":
		b.Energy = 0
	case what == "carbon" && amount == "none":
		b.Carbon = 0
	case what == "energy":
		if e, err = unit.ParseKWhPerDay(amount); err == nil {
			b.Energy = e.Energy()
		}
	case what == "carbon":
		if g, err = unit.ParseKgPerDay(amount); err == nil {
			b.Carbon = g.Carbon()
		}
	default:
		return c.wrong("limits neither energy nor carbon")
	}
	if err != nil {
		return fault.Wrap(err, "change "+c.Text, "read the budget")
	}
	return nil
}
