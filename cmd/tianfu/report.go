package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"tianfu/drawing"
	"tianfu/fleet"
	"tianfu/sim"
)

func writeReport(name string, r *drawing.Report) error {
	return writeFile(name, func(w writer) error { return drawing.WriteHTML(w, r) })
}

// about says what a replay was run on. Files are named without their
// directories: a report goes to others.
func (f *replayFlags) about(fl *fleet.Fleet, jobs int, tasksFile string) sim.About {
	a := sim.About{Ran: []drawing.Fact{{Label: "Workload", Value: tasksFile}}}
	if jobs > 0 {
		a.Ran[0].Value += ", " + drawing.Thousands(jobs) + " jobs"
	}
	if fl != nil && f.protocol != "backfill" {
		a.Ran = append(a.Ran, drawing.Fact{Label: "Fleet", Value: f.fleetName() + ", " + describeFleet(fl)})
		a.Ran = append(a.Ran, drawing.Fact{Label: "Policies", Value: strings.ReplaceAll(f.policies, ",", ", ")})
	}
	switch f.protocol {
	case "inflate":
		a.Ran = append(a.Ran, drawing.Fact{Label: "Seeds", Value: f.seeds})
	case "time":
		a.Ran = append(a.Ran, drawing.Fact{Label: "Seed", Value: strconv.FormatUint(f.seed, 10)})
		if f.load > 0 {
			a.Ran = append(a.Ran, drawing.Fact{Label: "Drawn to", Value: fmt.Sprintf("%g %% offered load over %g days", 100*f.load, f.days)})
		}
		if f.mtbf > 0 {
			a.Ran = append(a.Ran, drawing.Fact{Label: "Failures", Value: fmt.Sprintf("of each node every %g h on average, %g h to repair", f.mtbf.Hours(), f.mttr.Hours())})
		}
	case "backfill":
		a.Ran = append(a.Ran, drawing.Fact{Label: "Submit times", Value: fmt.Sprintf("divided by %g", f.scale)})
	}
	if f.protocol != "inflate" {
		a.Ran = append(a.Ran, drawing.Fact{Label: "Run times told to planning", Value: f.estimates})
	}
	a.Repeat = f.repeat()
	return a
}

func (f *replayFlags) fleetName() string {
	if f.world != "" {
		return filepath.Base(f.world)
	}
	return filepath.Base(f.nodes)
}

// describeFleet counts nodes and accelerators, and names the models that most
// accelerators are of.
func describeFleet(fl *fleet.Fleet) string {
	text := drawing.Thousands(len(fl.Nodes)) + " nodes, " + drawing.Thousands(fl.Devices()) + " accelerators"
	devices := map[fleet.Model]int{}
	var models []fleet.Model
	for i := range fl.Nodes {
		if n := &fl.Nodes[i]; len(n.Devices) > 0 {
			if devices[n.Model] == 0 {
				models = append(models, n.Model)
			}
			devices[n.Model] += len(n.Devices)
		}
	}
	slices.SortFunc(models, func(a, b fleet.Model) int {
		if d := devices[b] - devices[a]; d != 0 {
			return d
		}
		return strings.Compare(string(a), string(b))
	})
	var named []string
	for _, m := range models[:min(len(models), 6)] {
		named = append(named, string(m)+" "+drawing.Thousands(devices[m]))
	}
	if more := len(models) - len(named); more > 0 {
		named = append(named, fmt.Sprintf("%d more", more))
	}
	if len(named) > 0 {
		text += " (" + strings.Join(named, ", ") + ")"
	}
	return text
}

// repeat is the command of a run, with what its protocol reads.
func (f *replayFlags) repeat() string {
	words := []string{"tianfu replay --protocol " + f.protocol}
	add := func(flag, value, common string) {
		if value != common {
			words = append(words, "--"+flag+" "+value)
		}
	}
	file := func(flag, name string) {
		if name != "" {
			add(flag, filepath.Base(name), "")
		}
	}
	file("world", f.world)
	file("nodes", f.nodes)
	file("tasks", f.tasks)
	file("jobs", f.jobs)
	switch f.protocol {
	case "inflate":
		add("policy", f.policies, "")
		add("seeds", f.seeds, "")
	case "backfill":
		add("processors", strconv.Itoa(f.processors), "")
		add("scale", fmt.Sprint(f.scale), "1")
		add("backfill", f.backfill, "")
		add("estimates", f.estimates, "")
	case "time":
		add("policy", f.policies, "")
		add("seed", strconv.FormatUint(f.seed, 10), "")
		if f.load > 0 {
			add("load", fmt.Sprint(f.load), "")
			add("days", fmt.Sprint(f.days), "")
		}
		if f.mtbf > 0 {
			add("mtbf", f.mtbf.String(), "")
			add("mttr", f.mttr.String(), "")
		}
		add("estimates", f.estimates, "exact")
		add("backfill", f.backfill, "easy")
		add("preempt", strconv.FormatBool(f.preempt), "true")
	}
	add("fleet-copies", strconv.Itoa(f.copies), "1")
	add("power", f.power, "")
	return strings.Join(words, " ")
}

// inflateReport draws the runs of the inflation protocol.
func (f *replayFlags) inflateReport(fl *fleet.Fleet, runs []inflateRun) *drawing.Report {
	var out []sim.InflateRun
	for i := range runs {
		out = append(out, sim.InflateRun{Policy: runs[i].Policy, Seeds: runs[i].Seeds, Results: runs[i].results})
	}
	return sim.InflateReport(f.about(fl, 0, runs[0].TasksFile), out)
}

// timedReport draws replays in time.
func (f *replayFlags) timedReport(runs []timedRun) *drawing.Report {
	var out []sim.TimedRun
	for i := range runs {
		r := &runs[i]
		out = append(out, sim.TimedRun{Policy: r.name(), Timed: r.timed, History: r.history, Power: r.PowerModel, Records: r.Hash, CapKW: f.limitKW()})
	}
	return sim.TimedReport(f.about(runs[0].fleet, runs[0].Jobs, runs[0].TasksFile), out)
}
