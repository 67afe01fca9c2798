package control_test

import (
	"fmt"
	"strings"
	"time"

	"tianfu/control"
	"tianfu/fleet"
	"tianfu/job"
	"tianfu/sched"
	"tianfu/unit"
)

// setBudget declares a budget of a day in a script.
func setBudget(cfg *control.Config, w []string) error {
	var b sched.DayBudget
	zone := "UTC"
	for _, kv := range w {
		k, v, _ := strings.Cut(kv, "=")
		switch k {
		case "tenant":
			b.Tenant = job.Tenant(v)
		case "site":
			b.Site = v
		case "energy":
			e, err := unit.ParseKWhPerDay(v)
			if err != nil {
				return err
			}
			b.Energy = e.Energy()
		case "carbon":
			g, err := unit.ParseKgPerDay(v)
			if err != nil {
				return err
			}
			b.Carbon = g.Carbon()
		case "zone":
			zone = v
		default:
			return fmt.Errorf("unknown key %s", k)
		}
	}
	l, err := time.LoadLocation(zone)
	if err != nil {
		return err
	}
	b.Zone = fleet.ZoneOf(zone, l)
	cfg.DayBudgets = append(cfg.DayBudgets, b)
	return nil
}

// budgets shows how the budgets of a day stand.
func (c *scriptCentre) budgets() string {
	var b strings.Builder
	for _, x := range c.state.DayBudgets() {
		fmt.Fprintf(&b, "%s, day %s to %s:", x.String(), atSecond(x.From), atSecond(x.To))
		if x.Energy > 0 {
			fmt.Fprintf(&b, " %v spent, %v committed (%v the next day) of %v", x.Spent.Energy.KWh(), x.Committed.Energy.KWh(), x.Next.Energy.KWh(), x.Energy.KWh())
		}
		if x.Carbon > 0 {
			fmt.Fprintf(&b, " %v spent, %v committed of %v", x.Spent.Carbon, x.Committed.Carbon, x.Carbon)
			if x.Blind {
				b.WriteString(" (no intensity is known)")
			}
		}
		fmt.Fprintf(&b, ", %d waiting\n", x.Waiting)
	}
	return b.String()
}
