package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tianfu/httpapi"
)

// TestPlanOfACentre runs a real server whose grid is dirty now and clean two hours
// from now: what may wait is held and shown with its hours and savings, to its
// tenant alone; a restart loses none of it; what has little time starts all the
// same, and a missed deadline is shown with its reason.
func TestPlanOfACentre(t *testing.T) {
	dir := t.TempDir()
	hour := time.Now().UTC().Truncate(time.Hour)
	var series strings.Builder
	series.WriteString("time,ci_g_per_kwh\n")
	for h := -24; h < 72; h++ {
		carbon := 500
		if h%24 == 3 {
			carbon = 100
		}
		fmt.Fprintf(&series, "%s,%d\n", hour.Add(time.Duration(h)*time.Hour).Format(time.RFC3339), carbon)
	}
	world := filepath.Join(dir, "world.yaml")
	host, _ := os.Hostname()
	text := fmt.Sprintf(`name: test
sites:
  - name: here
    time_zone: UTC
    carbon_prefer: hourly
    signals: [{kind: csv, file: %q}]
    tariff: 0.5yuan/kWh
catalogue: {skus: [{name: m, vcpu: 4, memory: 4GiB, idle: 50W, full: 250W}]}
nodes: [{name: %q, sku: m, place: here}]
deferral: {batch: 20h}
`, filepath.Join(dir, "carbon.csv"), host)
	for name, body := range map[string]string{world: text, filepath.Join(dir, "carbon.csv"): series.String()} {
		if err := os.WriteFile(name, []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := startServer(t, "--world", world)
	t.Setenv("TIANFU_TOKEN", s.token)
	s.kill()
	lab := &httpapi.Client{Base: "http://" + s.address, Token: s.tenantToken("lab")}
	other := &httpapi.Client{Base: "http://" + s.address, Token: s.tenantToken("other")}
	s.start()
	until := func(what string, done func(*httpapi.Plan) bool) *httpapi.Plan {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
			p, err := lab.Plan(t.Context(), 0)
			if err == nil && done(p) {
				return p
			}
			if time.Now().After(deadline) {
				shown, _ := json.Marshal(p)
				t.Fatalf("%s: %v %s", what, err, shown)
			}
		}
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		if sites, err := s.client().Signals(t.Context()); err == nil && len(sites) == 1 && sites[0].Hour != nil {
			break
		} else if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	submit := func(script, run, wish string, within time.Duration) string {
		t.Helper()
		b := shell(script)
		b.Wish, b.ExpectedRun = wish, run
		if within > 0 {
			b.Deadline = time.Now().Add(within).Format(time.RFC3339)
		}
		out, err := lab.Submit(t.Context(), b, "", false)
		if err != nil {
			t.Fatal(err)
		}
		return out.ID
	}
	waits := submit("true", "10m", "carbon", 20*time.Hour)
	// The plan holds a moment before it is noted when it was last looked at.
	p := until("a plan", func(p *httpapi.Plan) bool {
		return len(p.Jobs) == 1 && p.Jobs[0].State == "held" && p.Looked != ""
	})
	clean := hour.Add(3 * time.Hour).Format(time.RFC3339)
	j := p.Jobs[0]
	if j.Job != waits || j.Next != clean || len(j.Runs) != 1 || j.Runs[0].From != clean || j.Site != "here" || j.Carbon == nil || *j.Carbon != 100 || !j.Ahead || *j.Price != 0.5 || j.Planned == "" || j.SavesKG <= 0 {
		t.Errorf("%+v", j)
	}
	if p.Total != 1 || p.Policy != "tianfu" {
		t.Errorf("%+v", p)
	}
	if out, err := other.Plan(t.Context(), 10); err != nil || len(out.Jobs) != 0 || out.Total != 0 || out.SavesKG != 0 {
		t.Errorf("another tenant sees %+v, %v", out, err)
	}
	s.kill()
	s.start()
	p = until("the plan after a restart", func(p *httpapi.Plan) bool { return len(p.Jobs) == 1 })
	if again := p.Jobs[0]; again.State != "held" || again.Next != clean || again.Planned != j.Planned || again.SavesKG != j.SavesKG {
		t.Errorf("%+v, before the restart %+v", again, j)
	}
	hurries := submit("true", "1s", "carbon", 64*time.Second) // at the latest three seconds from now
	// It wishes for nothing and starts at once: there are ten seconds for that, so
	// that a busy machine does not make another reason of it.
	late := submit("sleep 60", "1s", "", 10*time.Second)
	p = until("a miss", func(p *httpapi.Plan) bool { return len(p.Misses) == 1 })
	if m := p.Misses[0]; m.Job != late || m.Reason.Text != "ran longer than expected" {
		t.Errorf("%+v", m)
	}
	if done := waitEnd(t, lab, hurries); done.Phase != "completed" {
		t.Errorf("%+v", done)
	}
	if out, err := other.Plan(t.Context(), 0); err != nil || len(out.Misses) != 0 {
		t.Errorf("another tenant sees %+v, %v", out, err)
	}
	allowed := submit("true", "20m", "carbon", 0) // by its class, which the world file allows 20 hours
	until("a plan without a deadline", func(p *httpapi.Plan) bool {
		return slices.ContainsFunc(p.Jobs, func(j httpapi.PlanJob) bool { return j.Job == allowed && j.Next == clean && j.Due > clean })
	})
	for _, format := range []string{"table", "csv", "yaml", "json"} {
		code, out, errs := execute("plan", "show", "--server", "http://"+s.address, "-o", format)
		if code != 0 || !strings.Contains(out, waits) || !strings.Contains(out, clean) {
			t.Errorf("%s: %d %s%s", format, code, out, errs)
		}
		if format == "table" && (!strings.Contains(out, "~100.0") || !strings.Contains(out, "missed: "+late) || !strings.Contains(out, "deferred to a better hour")) {
			t.Error(out)
		}
	}
	watched := &watchedOutput{}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan int)
	go func() {
		p := &program{out: watched, err: watched}
		ended <- p.Run(ctx, []string{"plan", "show", "--watch", "--every", "100ms", "--server", "http://" + s.address})
	}()
	watched.await(t, allowed)
	fresh := submit("true", "25m", "carbon", 0)
	watched.await(t, fresh)
	stop()
	if code := <-ended; code != 0 {
		t.Errorf("a watch that is ended ends with code %d: %s", code, watched)
	}
}

// watchedOutput is what a command that goes on has written so far.
type watchedOutput struct {
	mu   sync.Mutex
	text strings.Builder
}

func (w *watchedOutput) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.Write(p)
}

func (w *watchedOutput) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

// await waits until a text was written.
func (w *watchedOutput) await(t *testing.T, text string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !strings.Contains(w.String(), text); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s was not shown:\n%s", text, w)
		}
	}
}
