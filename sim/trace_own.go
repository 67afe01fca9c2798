package sim

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"tianfu/fault"
	"tianfu/fleet"
	"tianfu/job"
	"tianfu/unit"
)

// ownColumns are the columns of our own job list; docs/traces.md explains
// them. Times are in seconds.
var ownColumns = [...]string{
	"name", "tenant", "queue", "class", "priority", "submit_s", "run_s", "expected_s", "tasks", "gang",
	"cpu_milli", "memory_mib", "accelerators", "share_milli", "models", "preemptible",
}

// ownOptional are columns that a file may leave out.
var ownOptional = [...]string{"topology", "partition", "min_memory_mib", "precisions", "stack", "start_by_s"}

// ownNodeColumns are the columns of our own node list.
var ownNodeColumns = [...]string{"name", "cpu_milli", "memory_mib", "accelerators", "model", "site", "hall", "rack", "segment", "pod"}

// ownRow is a job as a line of JSON; the keys are the columns.
type ownRow struct {
	Name         string  `json:"name"`
	Tenant       string  `json:"tenant"`
	Queue        string  `json:"queue,omitempty"`
	Class        string  `json:"class,omitempty"`
	Priority     int32   `json:"priority"`
	Submit       float64 `json:"submit_s"`
	Run          float64 `json:"run_s"`
	Expected     float64 `json:"expected_s,omitempty"`
	Tasks        int     `json:"tasks"`
	Gang         bool    `json:"gang,omitempty"`
	CPU          int32   `json:"cpu_milli"`
	Memory       int32   `json:"memory_mib"`
	Accelerators int     `json:"accelerators"`
	Share        int32   `json:"share_milli"`
	Models       string  `json:"models,omitempty"`
	Preemptible  bool    `json:"preemptible,omitempty"`
	Topology     string  `json:"topology,omitempty"` // such as "prefer:segment" or "must:host"
	Partition    string  `json:"partition,omitempty"`
	MinMemory    int32   `json:"min_memory_mib,omitempty"`
	Precisions   string  `json:"precisions,omitempty"` // joined by "|"
	Stack        string  `json:"stack,omitempty"`
	StartBy      float64 `json:"start_by_s,omitempty"`
}

// arrival checks what job.Spec.Check cannot see and builds the job.
func (r *ownRow) arrival(p *specPool) (Arrival, error) {
	class, ok := map[string]job.Class{"": job.Batch, "batch": job.Batch, "interactive": job.Interactive, "longrun": job.LongRun}[r.Class]
	switch {
	case !ok:
		return Arrival{}, fault.New(fault.Invalid, "class", strconv.Quote(r.Class)+" is not a class", "batch, interactive or longrun")
	case !(r.Submit >= 0 && r.Submit <= maxTime):
		return Arrival{}, fault.Invalidf("submit_s", "%g is out of range", r.Submit)
	case !(r.Run >= 0 && r.Run <= maxRun):
		return Arrival{}, fault.Invalidf("run_s", "%g is out of range", r.Run)
	case !(r.Expected >= 0 && r.Expected <= maxRun):
		return Arrival{}, fault.Invalidf("expected_s", "%g is out of range", r.Expected)
	case !(r.StartBy >= 0 && r.StartBy <= maxTime):
		return Arrival{}, fault.Invalidf("start_by_s", "%g is out of range", r.StartBy)
	}
	topology, err := job.ParseTopology(r.Topology)
	if err != nil {
		return Arrival{}, err
	}
	var precisions []string
	if r.Precisions != "" {
		precisions = strings.Split(r.Precisions, "|")
	}
	return Arrival{
		Spec: &job.Spec{
			Name: r.Name, Tenant: job.Tenant(r.Tenant), Queue: job.Queue(r.Queue), Class: class, Priority: r.Priority,
			Gang: r.Gang, Topology: topology, Preemptible: r.Preemptible, ExpectedRun: seconds(r.Expected), StartBy: unit.Instant(seconds(r.StartBy)),
			Groups: []job.Group{{Count: r.Tasks, Request: job.Request{
				CPU: unit.MilliCPU(r.CPU), Memory: unit.MiB(r.Memory), Accelerators: r.Accelerators,
				Share: unit.Milli(r.Share), Models: p.split(r.Models), Partition: r.Partition,
				Capability: job.Capability{MinMemory: unit.MiB(r.MinMemory), Precisions: precisions, Stack: r.Stack},
			}}},
		},
		Submit: unit.Instant(seconds(r.Submit)), Run: seconds(r.Run), Models: r.Models,
	}, nil
}

func rowOf(a *Arrival) ownRow {
	s := a.Spec
	g := &s.Groups[0]
	models := make([]string, len(g.Request.Models))
	for i, m := range g.Request.Models {
		models[i] = string(m)
	}
	return ownRow{
		Name: s.Name, Tenant: string(s.Tenant), Queue: string(s.Queue), Class: s.Class.String(), Priority: s.Priority,
		Submit: time.Duration(a.Submit).Seconds(), Run: max(a.Run, 0).Seconds(), Expected: s.ExpectedRun.Seconds(),
		Tasks: g.Count, Gang: s.Gang, CPU: int32(g.Request.CPU), Memory: int32(g.Request.Memory),
		Accelerators: g.Request.Accelerators, Share: int32(g.Request.Share), Models: strings.Join(models, "|"), Preemptible: s.Preemptible,
		Topology: s.Topology.String(), Partition: g.Request.Partition, MinMemory: int32(g.Request.Capability.MinMemory),
		Precisions: strings.Join(g.Request.Capability.Precisions, "|"), Stack: g.Request.Capability.Stack, StartBy: time.Duration(s.StartBy).Seconds(),
	}
}

func ownJob(t *table, p *specPool) (Arrival, string) {
	r := ownRow{
		Name: t.ident("name"), Tenant: t.ident("tenant"), Queue: t.text("queue"), Class: t.text("class"),
		Priority: int32(t.integer("priority", job.MinPriority, job.MaxPriority)), Submit: t.number("submit_s", 0, maxTime),
		Run: t.number("run_s", 0, maxRun), Expected: t.number("expected_s", 0, maxRun),
		Tasks: int(t.integer("tasks", 1, job.MaxTasks)), Gang: t.boolean("gang"),
		CPU: int32(t.integer("cpu_milli", 0, 1<<31-1)), Memory: int32(t.integer("memory_mib", 0, 1<<31-1)),
		Accelerators: int(t.integer("accelerators", 0, fleet.MaxDevices)), Share: int32(t.integer("share_milli", 0, int64(unit.Whole))),
		Models: t.text("models"), Preemptible: t.boolean("preemptible"),
		Topology: t.text("topology"), Partition: t.text("partition"), Precisions: t.text("precisions"), Stack: t.text("stack"),
	}
	if t.text("min_memory_mib") != "" {
		r.MinMemory = int32(t.integer("min_memory_mib", 0, 1<<31-1))
	}
	if t.text("start_by_s") != "" {
		r.StartBy = t.number("start_by_s", 0, maxTime)
	}
	a, err := r.arrival(p)
	if err != nil && t.err == nil {
		t.err = fault.Wrap(err, t.where(""), "job "+r.Name)
	}
	return a, ""
}

func (t *table) boolean(column string) bool {
	switch t.text(column) {
	case "", "0", "false":
		return false
	case "1", "true":
		return true
	}
	t.fail(column, strconv.Quote(t.text(column))+" is neither true nor false", "")
	return false
}

// readJSONL reads our own format, one JSON object a line. Unknown keys are
// errors.
func readJSONL(name string, r io.Reader) (*Workload, error) {
	w := &Workload{Name: name, Timed: true, Skipped: map[string]int{}}
	p := &specPool{models: map[string][]fleet.Model{}}
	sc := bufio.NewScanner(r)
	sc.Buffer(make([]byte, 1<<16), maxLine)
	seen := map[string]int{}
	for line := 1; sc.Scan(); line++ {
		text := bytes.TrimSpace(sc.Bytes())
		if len(text) == 0 {
			continue
		}
		where := fmt.Sprintf("%s:%d", name, line)
		var row ownRow
		d := json.NewDecoder(bytes.NewReader(text))
		d.DisallowUnknownFields()
		if err := d.Decode(&row); err != nil {
			return nil, fault.New(fault.Invalid, where, err.Error(), "docs/traces.md lists the keys")
		}
		a, err := row.arrival(p)
		if err == nil {
			err = a.Spec.Check()
		}
		if first, twice := seen[row.Name]; err == nil && twice {
			err = fault.Invalidf("name", "%s is on line %d already", row.Name, first)
		}
		if err != nil {
			return nil, fault.Wrap(err, where, "job "+row.Name)
		}
		seen[row.Name] = line
		a.Line = line
		if w.Jobs = append(w.Jobs, a); len(w.Jobs) > maxRows {
			return nil, fault.New(fault.Invalid, where, fmt.Sprintf("more than %d jobs", maxRows), "split the file")
		}
	}
	if errors.Is(sc.Err(), bufio.ErrTooLong) {
		return nil, fault.New(fault.Invalid, name, errLongLine.Error(), "check that the file is text with line ends")
	}
	if len(w.Jobs) == 0 {
		return nil, fault.New(fault.Invalid, name, "has no jobs", "")
	}
	return w, sc.Err()
}

// WriteJobs writes a workload in our own format, as CSV or JSON lines.
func WriteJobs(out io.Writer, w *Workload, jsonl bool) error {
	if jsonl {
		e := json.NewEncoder(out)
		for i := range w.Jobs {
			if err := e.Encode(rowOf(&w.Jobs[i])); err != nil {
				return err
			}
		}
		return nil
	}
	c := csv.NewWriter(out)
	c.Write(append(ownColumns[:len(ownColumns):len(ownColumns)], ownOptional[:]...))
	num := func(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }
	for i := range w.Jobs {
		r := rowOf(&w.Jobs[i])
		c.Write([]string{
			r.Name, r.Tenant, r.Queue, r.Class, strconv.Itoa(int(r.Priority)), num(r.Submit), num(r.Run), num(r.Expected),
			strconv.Itoa(r.Tasks), strconv.FormatBool(r.Gang), strconv.Itoa(int(r.CPU)), strconv.Itoa(int(r.Memory)),
			strconv.Itoa(r.Accelerators), strconv.Itoa(int(r.Share)), r.Models, strconv.FormatBool(r.Preemptible),
			r.Topology, r.Partition, optional(float64(r.MinMemory)), r.Precisions, r.Stack, optional(r.StartBy),
		})
	}
	c.Flush()
	return c.Error()
}

// optional renders a number that an empty field stands for when it is 0.
func optional(f float64) string {
	if f == 0 {
		return ""
	}
	return strconv.FormatFloat(f, 'f', -1, 64)
}

// WriteNodes writes a fleet as our own CSV.
func WriteNodes(out io.Writer, f *fleet.Fleet) error {
	c := csv.NewWriter(out)
	c.Write(ownNodeColumns[:])
	for i := range f.Nodes {
		n := &f.Nodes[i]
		c.Write([]string{
			string(n.ID), strconv.Itoa(int(n.CPU)), strconv.Itoa(int(n.Memory)), strconv.Itoa(len(n.Devices)), string(n.Model),
			n.Place.Site, n.Place.Hall, n.Place.Rack, n.Segment, n.Pod,
		})
	}
	c.Flush()
	return c.Error()
}
