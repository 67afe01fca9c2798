package sched

import (
	"time"

	"tianfu/fault"
	"tianfu/fleet"
	"tianfu/job"
)

// BudgetsOf returns the budgets of a day that a world declares: of its sites, then
// of its tenants. load is time.LoadLocation.
func BudgetsOf(w *fleet.World, load func(zone string) (*time.Location, error)) ([]DayBudget, error) {
	var out []DayBudget
	zones := map[string]fleet.Zone{}
	add := func(b DayBudget, declared *fleet.Budget, zone string) error {
		if declared.Energy == 0 && declared.Carbon == 0 {
			return nil
		}
		z, known := zones[zone]
		if !known {
			l, err := load(zone)
			if err != nil {
				return fault.New(fault.Unavailable, "budget of "+b.String(), err.Error(), "install the time zone database of the system")
			}
			z = fleet.ZoneOf(zone, l)
			zones[zone] = z
		}
		b.Energy = declared.Energy.Energy()
		b.Carbon = declared.Carbon.Carbon()
		b.Zone = z
		out = append(out, b)
		return nil
	}
	for i := range w.Sites {
		if err := add(DayBudget{Site: w.Sites[i].Name}, &w.Sites[i].Budget, w.Sites[i].TimeZone); err != nil {
			return nil, err
		}
	}
	for i := range w.Tenants {
		if err := add(DayBudget{Tenant: job.Tenant(w.Tenants[i].Name)}, &w.Tenants[i].Budget, w.BudgetZone(&w.Tenants[i].Budget)); err != nil {
			return nil, err
		}
	}
	return out, nil
}
