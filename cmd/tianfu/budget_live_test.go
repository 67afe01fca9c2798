package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tianfu/fault"
	"tianfu/httpapi"
)

// budgetWorld is a node that draws 190 W idle and 65 W for each CPU in use, in a
// zone where it is morning now: a day is not over while the test runs.
func budgetWorld(energy string, now time.Time) string {
	ahead := (8 - now.UTC().Hour() + 24) % 24 // hours, from 0 to 23
	zone := fmt.Sprintf("Etc/GMT-%d", ahead)
	if ahead > 12 {
		zone = fmt.Sprintf("Etc/GMT+%d", 24-ahead)
	}
	if ahead == 0 {
		zone = "UTC"
	}
	return strings.Replace(strings.Replace(powerWorld, "time_zone: UTC, power: 1kW", "time_zone: "+zone+", budget: {energy: 20kWh/day}", 1),
		"{name: physics}", "{name: physics, budget: {energy: "+energy+"}}, {name: other}", 1)
}

// TestBudgetOnARealCentre gives a tenant half a kilowatt-hour a day. Its second
// job of three hours waits for the next day, says so with its figures and when it
// may start; another tenant's starts. What is larger than a day is refused. When
// the budget is raised in the world file and the file is loaded again, it starts.
func TestBudgetOnARealCentre(t *testing.T) {
	world := filepath.Join(t.TempDir(), "world.yaml")
	declare := func(energy string) {
		if err := os.WriteFile(world, []byte(budgetWorld(energy, time.Now())), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	declare("500Wh/day")
	s := &capped{startServer(t, "--node", "one", "--world", world, "--meter-every", "1s"), t, t.Context(), nil}
	s.c = s.client()
	t.Setenv("TIANFU_TOKEN", s.token)
	s.kill()
	theirs := &httpapi.Client{Base: "http://" + s.address, Token: s.tenantToken("physics")}
	s.start()
	submit := func(name, tenant, run string) (string, error) {
		b := shell("sleep 900")
		b.Name, b.Tenant, b.ExpectedRun, b.Groups[0].CPU = name, tenant, run, "1"
		made, err := s.c.Submit(s.ctx, b, "", false)
		if err != nil {
			return "", err
		}
		t.Cleanup(func() {
			if s.c.Cancel(t.Context(), made.ID) == nil {
				waitEnd(t, s.c, made.ID)
			}
		})
		return made.ID, nil
	}
	first, err := submit("first", "physics", "3h")
	if err != nil {
		t.Fatal(err)
	}
	second, err := submit("second", "physics", "3h")
	if err != nil {
		t.Fatal(err)
	}
	other, err := submit("other", "other", "3h")
	if err != nil {
		t.Fatal(err)
	}
	s.await("the first job and the other tenant's run", func() bool { return s.state(first) == "running" && s.state(other) == "running" })
	if got := s.state(second); got != "pending" {
		t.Fatalf("the second job is %s", got)
	}
	if _, err := submit("large", "physics", "20h"); fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), "the budget of tenant physics is 0.5kWh a day") {
		t.Errorf("a job larger than a day: %v", err)
	}

	list, err := s.c.Budgets(s.ctx)
	if err != nil || len(list.Budgets) != 2 {
		t.Fatalf("%+v, %v", list, err)
	}
	b := list.Budgets[1]
	if b.Of != "tenant" || b.Name != "physics" || b.Waiting != 1 || b.Energy == nil || b.Energy.Limit != 0.5 || b.Energy.Spent+b.Energy.Committed < 0.3 || b.Energy.Left > 0.2 {
		t.Errorf("%+v %+v", b, b.Energy)
	}
	if out := s.command("budget", "list", "-o", "csv"); !strings.Contains(out, "tenant physics,energy,0.500kWh,") || !strings.Contains(out, "site here,energy,20.000kWh,") {
		t.Errorf("budget list:\n%s", out)
	}
	if list, err := theirs.Budgets(s.ctx); err != nil || len(list.Budgets) != 1 || list.Budgets[0].Name != "physics" {
		t.Errorf("the tenant sees %+v, %v", list, err)
	}

	var why *httpapi.Why
	s.await("a start is estimated", func() bool {
		why, err = s.c.Why(s.ctx, second)
		return err == nil && why.Start != nil
	})
	if r := why.Reason; r.Cause != "day's budget" || r.Budget == nil || r.Budget.Name != "physics" || r.Budget.Unit != "kWh" || r.Budget.Limit != 0.5 || r.Budget.Renews != b.Renews || r.Budget.Never {
		t.Errorf("%+v %+v", r, r.Budget)
	}
	midnight, _ := parseTime(b.Renews)
	if late, ok := parseTime(why.Start.Late); ok && late.After(midnight.Add(time.Hour)) {
		t.Errorf("it starts at %s at the latest, the day begins anew at %s", late, midnight)
	}
	if out := s.command("why", second); !strings.Contains(out, "lacks budget") || !strings.Contains(out, "tenant physics") || !strings.Contains(out, "budget renews") {
		t.Errorf("why:\n%s", out)
	}

	r, _ := http.NewRequest(http.MethodGet, "http://"+s.address+"/metrics", nil)
	r.Header.Set("Authorization", "Bearer "+s.token)
	reply, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	text, _ := io.ReadAll(reply.Body)
	reply.Body.Close()
	for _, want := range []string{`tianfu_budget_energy_limit_joules{name="physics",of="tenant"} 1.8e+06`, `tianfu_budget_waiting_jobs{name="physics",of="tenant"} 1`} {
		if !strings.Contains(string(text), want) {
			t.Errorf("metrics do not have %s", want)
		}
	}

	declare("2kWh/day")
	if out := s.command("world", "reload"); !strings.Contains(out, "budgets of energy or carbon are changed") {
		t.Errorf("reload:\n%s", out)
	}
	s.await("the second job runs", func() bool { return s.state(second) == "running" })
}
