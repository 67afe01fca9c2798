package httpapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/prometheus/client_golang/prometheus"

	"tianfu/control"
	"tianfu/unit"
)

// Budget is a budget of a day as the API shows it to those it belongs to.
type Budget struct {
	Of      string     `json:"of" enum:"tenant,site"`
	Name    string     `json:"name"`
	Zone    string     `json:"time_zone" doc:"Whose calendar a day is of"`
	From    string     `json:"day_from" format:"date-time"`
	Renews  string     `json:"renews" format:"date-time" doc:"When the next day begins"`
	Energy  *DayAmount `json:"energy_kwh,omitempty" doc:"In kWh; left out where it is not limited"`
	Carbon  *DayAmount `json:"carbon_kg,omitempty" doc:"In kg of location CO2e; left out where it is not limited"`
	Waiting int        `json:"waiting" doc:"Jobs that wait for it"`
	Blind   bool       `json:"carbon_unknown,omitempty" doc:"No intensity was ever known at one of its sites: carbon is not counted there"`
}

// DayAmount is how a day stands.
type DayAmount struct {
	Limit     float64 `json:"limit" doc:"Of a day"`
	Spent     float64 `json:"spent" doc:"By the ledger up to its last closed interval, by the model since"`
	Committed float64 `json:"committed" doc:"What runs will still draw in the day"`
	Left      float64 `json:"left" doc:"For what is new; below 0 where the day is overrun"`
	Next      float64 `json:"committed_next_day" doc:"What runs will draw in the next day"`
}

// Budgets are those that a caller may see.
type Budgets struct {
	Budgets []Budget `json:"budgets"`
}

type budgetsOutput struct{ Body Budgets }

// BudgetShort is what a budget lacks for a job to start.
type BudgetShort struct {
	Of        string  `json:"of" enum:"tenant,site"`
	Name      string  `json:"name"`
	Unit      string  `json:"unit" enum:"kWh,kg" doc:"Of the figures"`
	NextDay   bool    `json:"of_next_day,omitempty" doc:"It is the next day, into which the job would run, that would not do"`
	Need      float64 `json:"need" doc:"What the job would draw in the day, at the least"`
	Spent     float64 `json:"spent"`
	Committed float64 `json:"committed" doc:"What runs, and what goes before it, will still draw"`
	Limit     float64 `json:"limit"`
	Renews    string  `json:"renews" format:"date-time" doc:"When the next day begins"`
	Never     bool    `json:"larger_than_a_day,omitempty" doc:"A whole day of the budget would not do"`
}

func (s *Server) routeBudgets() {
	huma.Register(s.api, huma.Operation{OperationID: "list-budgets", Method: http.MethodGet, Path: "/v1/budgets", Summary: "List budgets of energy and carbon of the day",
		Description: "What each may draw in its present day, has spent and is committed to. A tenant sees its own.", Errors: []int{401, 403, 503}}, s.listBudgets)
}

func (s *Server) listBudgets(ctx context.Context, _ *struct{}) (*budgetsOutput, error) {
	out := &budgetsOutput{Body: Budgets{Budgets: []Budget{}}}
	who := identity(ctx)
	err := s.centre.View(ctx, func(st *control.State) {
		for _, b := range st.DayBudgets() {
			if who.maySeeBudget(&b) {
				out.Body.Budgets = append(out.Body.Budgets, budgetOf(&b))
			}
		}
	})
	return out, problem(err)
}

// maySeeBudget tells whether a caller may see a budget: its tenant, and who sees all.
func (k Caller) maySeeBudget(b *control.DayBudget) bool {
	return k.seesAll() || b.Tenant != "" && k.maySee(b.Tenant)
}

func budgetOf(b *control.DayBudget) Budget {
	out := Budget{Of: "site", Name: b.Site, Zone: b.Zone.Name, From: instant(b.From), Renews: instant(b.To), Waiting: b.Waiting, Blind: b.Carbon > 0 && b.Blind}
	if b.Tenant != "" {
		out.Of, out.Name = "tenant", string(b.Tenant)
	}
	if b.Energy > 0 {
		kwh := func(e unit.Millijoules) float64 { return float64(e.KWh()) }
		out.Energy = &DayAmount{kwh(b.Energy), kwh(b.Spent.Energy), kwh(b.Committed.Energy), kwh(b.Energy - b.Spent.Energy - b.Committed.Energy), kwh(b.Next.Energy)}
	}
	if b.Carbon > 0 {
		kg := unit.Micrograms.Kilograms
		out.Carbon = &DayAmount{kg(b.Carbon), kg(b.Spent.Carbon), kg(b.Committed.Carbon), kg(b.Carbon - b.Spent.Carbon - b.Committed.Carbon), kg(b.Next.Carbon)}
	}
	return out
}

// budgetShort renders which budget is in the way; nil where none is.
func budgetShort(st *control.State, r *control.Reason) *BudgetShort {
	b := st.DayBudgetNamed(r)
	if b == nil {
		return nil
	}
	o := &r.Over
	out := &BudgetShort{Of: "site", Name: b.Site, Unit: "kWh", NextDay: o.NextDay, Renews: instant(o.Renews), Never: o.Never()}
	if b.Tenant != "" {
		out.Of, out.Name = "tenant", string(b.Tenant)
	}
	scale := float64(unit.MillijoulesPerKWh)
	if o.Carbon {
		out.Unit, scale = "kg", 1e9
	}
	out.Need, out.Spent, out.Committed, out.Limit = float64(o.Need)/scale, float64(o.Spent)/scale, float64(o.Committed)/scale, float64(o.Limit)/scale
	return out
}

// budgetDescs are the series of every budget, with its parts and what is left.
var budgetDescs = [...]*prometheus.Desc{
	prometheus.NewDesc("tianfu_budget_energy_limit_joules", "Energy that may be drawn in a calendar day.", []string{"of", "name"}, nil),
	prometheus.NewDesc("tianfu_budget_energy_spent_joules", "Energy drawn in the present day: by the ledger, since its last interval by the model.", []string{"of", "name"}, nil),
	prometheus.NewDesc("tianfu_budget_energy_committed_joules", "Energy that running work will still draw in the present day.", []string{"of", "name"}, nil),
	prometheus.NewDesc("tianfu_budget_carbon_limit_grams", "Location CO2e that may be caused in a calendar day.", []string{"of", "name"}, nil),
	prometheus.NewDesc("tianfu_budget_carbon_spent_grams", "Location CO2e caused in the present day.", []string{"of", "name"}, nil),
	prometheus.NewDesc("tianfu_budget_carbon_committed_grams", "Location CO2e that running work will still cause in the present day.", []string{"of", "name"}, nil),
	prometheus.NewDesc("tianfu_budget_waiting_jobs", "Jobs that wait for the budget.", []string{"of", "name"}, nil),
	prometheus.NewDesc("tianfu_budget_renews_timestamp_seconds", "When the next day of the budget begins.", []string{"of", "name"}, nil),
}

// sendBudgets sends the series of the budgets that a caller may see.
func sendBudgets(gauge func(*prometheus.Desc, float64, ...string), who *Caller, st *control.State) {
	for _, b := range st.DayBudgets() {
		if !who.maySeeBudget(&b) {
			continue
		}
		shown := budgetOf(&b)
		if b.Energy > 0 {
			for i, v := range [...]unit.Millijoules{b.Energy, b.Spent.Energy, b.Committed.Energy} {
				gauge(budgetDescs[i], float64(v)/1e3, shown.Of, shown.Name)
			}
		}
		if b.Carbon > 0 {
			for i, v := range [...]unit.Micrograms{b.Carbon, b.Spent.Carbon, b.Committed.Carbon} {
				gauge(budgetDescs[3+i], float64(v)/1e6, shown.Of, shown.Name)
			}
		}
		gauge(budgetDescs[6], float64(b.Waiting), shown.Of, shown.Name)
		gauge(budgetDescs[7], float64(b.To)/1e9, shown.Of, shown.Name)
	}
}

// Budgets returns the budgets of the day that the caller may see.
func (c *Client) Budgets(ctx context.Context) (*Budgets, error) {
	out := &Budgets{}
	return out, c.call(ctx, request{method: http.MethodGet, path: "/v1/budgets"}, out)
}
