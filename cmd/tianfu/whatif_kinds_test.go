package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"tianfu/sim"
)

// kindsWorld is one node of four CPUs at a site of which everything is known: its
// limit, its carbon, its prices, its plant and its weather.
const kindsWorld = `name: small
sites:
  - name: here
    time_zone: Asia/Shanghai
    power: 1kW
    tariff_file: sichuan-2025
    weather: %s
    signals: [{kind: factor, regions: [Sichuan, national]}]
catalogue:
  cpus: [{name: even, cores: 4, threads: 1, idle: 100W, full: 300W}]
  skus: [{name: tiny, cpu: evenx1, vcpu: 4, memory: 8GiB}]
nodes: [{name: one, sku: tiny, place: here}]
tenants: [{name: physics}]
queues: [{name: train, tenants: [physics], guaranteed: {cpu: 4}, default: true}]
power: {cap_latency: 2s, grace: 5s}
`

// kindsJobs are four jobs of one CPU at once.
const kindsJobs = `name,tenant,queue,class,priority,submit_s,run_s,expected_s,tasks,gang,cpu_milli,memory_mib,accelerators,share_milli,models,preemptible,topology,partition,min_memory_mib,precisions,stack,start_by_s
a,physics,train,batch,0,0,600,600,1,false,1000,64,0,0,,false,,,,,,
b,physics,train,batch,0,1,600,600,1,false,1000,64,0,0,,false,,,,,,
c,physics,train,batch,0,2,600,600,1,false,1000,64,0,0,,false,,,,,,
d,physics,train,batch,0,3,600,600,1,false,1000,64,0,0,,false,,,,,,
`

// weatherYear is a year of one temperature.
func weatherYear(celsius int) string {
	var b strings.Builder
	b.WriteString("month,day,hour,dry_bulb_c,rh_pct\n")
	for d := time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC); d.Year() == 2001; d = d.Add(time.Hour) {
		fmt.Fprintf(&b, "%d,%d,%d,%d,60\n", d.Month(), d.Day(), d.Hour()+1, celsius)
	}
	return b.String()
}

// carbonYear is a year of one carbon intensity.
func carbonYear(grams int) string {
	var b strings.Builder
	b.WriteString("datetime_utc,ci_g_per_kwh\n")
	for h := range 366 * 24 {
		fmt.Fprintf(&b, "%s,%d\n", time.Date(2024, 1, 1, h, 0, 0, 0, time.UTC).Format(time.RFC3339), grams)
	}
	return b.String()
}

// kindsOfChange are the kinds that a what-if may change, each with the figure that
// moves and which way.
var kindsOfChange = []struct {
	change, figure string
	way            int // of the figure: 1 up, -1 down, 0 as it was
}{
	{"cap site=here 350W", "wait p90", 1}, // the node idles at 237 W, a CPU in use adds 81
	{"cap site=here 35% for 6d", "wait p90", 1},
	{"add 1 nodes like one", "site energy", 1},
	{"add 1 nodes like one; remove node=one", "site energy", 0},
	{"quota queue=train cpu=1", "wait p90", 1},
	{"policy fgd", "preemptions", 0},
	{"carbon x2", "carbon", 1},
	{"carbon grid.csv", "carbon", 1},
	{"carbon grid.csv:ci_g_per_kwh site=here", "carbon", 1},
	{"carbon price 1000", "cost", 1},
	{"price x0.5", "cost", -1},
	{"weather hot.csv", "site energy", 1},
	{"weather hot.csv site=here", "carbon", 1},
}

// TestKindsOfChangeOnKindsOfPeriod asks for every kind of change of every kind of
// period: a file, a running centre and a backup of it. Every answer has at most
// eight figures and is found again by its address.
func TestKindsOfChangeOnKindsOfPeriod(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	for name, text := range map[string]string{"cool.csv": weatherYear(2), "hot.csv": weatherYear(38), "grid.csv": carbonYear(900),
		"jobs.csv": kindsJobs, "world.yaml": fmt.Sprintf(kindsWorld, filepath.Join(dir, "cool.csv")), "ci.csv": carbonYear(140)} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := startServer(t, "--world", "world.yaml", "--node", "one")
	t.Setenv("TIANFU_TOKEN", s.token)
	address := "http://" + s.address
	waitForHours(t, s)
	var last []string
	for range 4 {
		b := shell("sleep 1")
		b.Tenant, b.Groups[0].CPU = "physics", "1"
		made, err := s.client().Submit(t.Context(), b, "", false)
		if err != nil {
			t.Fatal(err)
		}
		last = append(last, made.ID)
	}
	for _, id := range last {
		waitEnd(t, s.client(), id)
	}
	if code, out, errs := execute("backup", "--server", address, "--to", "centre.backup"); code != 0 {
		t.Fatal(out, errs)
	}
	periods := []struct {
		name  string
		flags []string
		show  []string
	}{
		{"file", []string{"--against", "jobs.csv", "--world", "world.yaml", "--power", "catalogue", "--carbon", "ci.csv", "--weather", "cool.csv", "--tariff", "sichuan-2025", "--dir", "kept"}, []string{"--dir", "kept"}},
		{"centre", []string{"--against", "last-week", "--server", address}, []string{"--server", address}},
		{"backup", []string{"--against", "centre.backup", "--dir", "kept"}, []string{"--dir", "kept"}},
		{"end of a backup", []string{"--against", "centre.backup:last-hour", "--dir", "kept"}, []string{"--dir", "kept"}},
	}
	for _, p := range periods {
		for _, k := range kindsOfChange {
			t.Run(p.name+"/"+k.change, func(t *testing.T) {
				w := askedOf(t, append([]string{"whatif", k.change}, p.flags...)...)
				if len(w.Figures) > 8 || w.Jobs != 4 || len(w.Notes) > 0 && k.way == 0 {
					t.Errorf("%d figures of %d jobs, notes %q", len(w.Figures), w.Jobs, w.Notes)
				}
				checkMoved(t, w, k.figure, k.way)
				if again := askedOf(t, append([]string{"whatif", "show", w.ID}, p.show...)...); !reflect.DeepEqual(again, w) {
					t.Errorf("at its address lies %+v, it was %+v", again, w)
				}
			})
		}
	}
}

// waitForHours waits until the centre knows what the present hour costs.
func waitForHours(t *testing.T, s *server) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		sites, err := s.client().Signals(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(sites) == 1 && sites[0].Hour != nil && sites[0].Hour.PUE != nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the hour is not known: %+v", sites)
		}
	}
}

func askedOf(t *testing.T, args ...string) *sim.WhatIf {
	t.Helper()
	code, out, errs := execute(append(args, "-o", "json")...)
	if code != 0 {
		t.Fatalf("%q: %d %s%s", args, code, out, errs)
	}
	w := &sim.WhatIf{}
	if err := json.Unmarshal([]byte(out), w); err != nil {
		t.Fatal(err)
	}
	return w
}

func checkMoved(t *testing.T, w *sim.WhatIf, figure string, way int) {
	t.Helper()
	for _, d := range w.Figures {
		if d.Name != figure {
			continue
		}
		moved := 0
		if d.Changed > d.Base {
			moved = 1
		} else if d.Changed < d.Base {
			moved = -1
		}
		if moved != way {
			t.Errorf("%s goes from %v to %v; notes %q", figure, d.Base, d.Changed, w.Notes)
		}
		return
	}
	t.Errorf("no figure %q in %+v", figure, w.Figures)
}
