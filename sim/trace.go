package sim

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"strings"

	"tianfu/fault"
	"tianfu/fleet"
	"tianfu/job"
	"tianfu/unit"
)

// ReadNodes reads a fleet from CSV: the node list of openb, of the spot-GPU
// trace or our own, told apart by the header.
func ReadNodes(name string, r io.Reader) (*fleet.Fleet, error) {
	t, err := newTable(name, r)
	if err != nil {
		return nil, err
	}
	var node func(*table) fleet.Node
	switch {
	case t.has("sn", "cpu_milli", "memory_mib", "gpu", "model"):
		node = openbNode
	case t.has("node_name", "gpu_model", "gpu_capacity_num", "cpu_num"):
		node = spotNode
	case t.has("name", "cpu_milli", "memory_mib", "accelerators", "model"):
		node = ownNode
	default:
		return nil, unknownHeader(t, "a node list", "sn,cpu_milli,memory_mib,gpu,model (openb); node_name,gpu_model,gpu_capacity_num,cpu_num (spot); name,cpu_milli,memory_mib,accelerators,model (own)")
	}
	f := &fleet.Fleet{} // no name: records must not depend on where a file lies
	seen := map[fleet.NodeID]int{}
	models := map[fleet.Model]bool{}
	for t.next() {
		n := node(t)
		if first, twice := seen[n.ID]; twice {
			t.fail("", fmt.Sprintf("node %s is named on line %d already", n.ID, first), "names must differ")
		}
		seen[n.ID] = t.line
		if models[n.Model] = true; len(models) > fleet.MaxModels {
			t.fail("model", fmt.Sprintf("more than %d models", fleet.MaxModels), "merge models that are alike")
		}
		f.Nodes = append(f.Nodes, n)
	}
	return f, t.err
}

func unknownHeader(t *table, what, known string) error {
	missing := ""
	if len(t.header) > 0 {
		missing = "its columns are " + strings.Join(t.header, ",")
	}
	return fault.New(fault.Invalid, t.where(""), "is not the header of "+what+": "+missing, "known headers: "+known)
}

// makeNode builds a node and checks that models and devices go together.
func makeNode(t *table, id string, cpu, memory, devices int64, model string) fleet.Node {
	if devices == 0 {
		model = ""
	}
	if devices > 0 && model == "" {
		t.fail("model", "is empty on a node with accelerators", "name the model")
	}
	return fleet.Node{
		ID: fleet.NodeID(id), CPU: unit.MilliCPU(cpu), Memory: unit.MiB(memory),
		Model: fleet.Model(model), Devices: make([]fleet.Device, devices),
	}
}

func openbNode(t *table) fleet.Node {
	return makeNode(t, t.ident("sn"), t.integer("cpu_milli", 0, 1<<31-1), t.integer("memory_mib", 0, 1<<31-1),
		t.integer("gpu", 0, fleet.MaxDevices), t.text("model"))
}

// SpotMemory is what a node of the spot-GPU trace gets: the trace says nothing
// of memory, so it must never bind.
const SpotMemory = unit.MiB(1<<31 - 1)

func spotNode(t *table) fleet.Node {
	return makeNode(t, t.ident("node_name"), int64(1000*t.number("cpu_num", 0, 2_000_000)), int64(SpotMemory),
		t.integer("gpu_capacity_num", 0, fleet.MaxDevices), t.text("gpu_model"))
}

func ownNode(t *table) fleet.Node {
	n := makeNode(t, t.ident("name"), t.integer("cpu_milli", 0, 1<<31-1), t.integer("memory_mib", 0, 1<<31-1),
		t.integer("accelerators", 0, fleet.MaxDevices), t.text("model"))
	n.Place = fleet.Place{Site: t.text("site"), Hall: t.text("hall"), Rack: t.text("rack")}
	n.Segment, n.Pod = t.text("segment"), t.text("pod")
	return n
}

// JobOptions are what a reader of jobs must be told.
type JobOptions struct {
	// Processors is the size of the pool of a Standard Workload Format log;
	// larger jobs are skipped and counted.
	Processors int
}

// ReadJobs reads a workload: openb pods, spot-GPU jobs, our own CSV or JSON
// lines, told apart by the first line, or a Standard Workload Format log.
func ReadJobs(name string, r io.Reader, o JobOptions) (*Workload, error) {
	b := bufio.NewReaderSize(r, 1<<16)
	head, err := b.Peek(1 << 12)
	if len(head) == 0 {
		if err == io.EOF {
			err = nil
		}
		return nil, &fault.Error{Kind: fault.Invalid, Where: name, What: "is empty", Err: err, Fix: "give a file with jobs"}
	}
	first, _, _ := bytes.Cut(bytes.TrimLeft(head, "\xef\xbb\xbf \r\n\t"), []byte("\n"))
	switch {
	case len(first) > 0 && first[0] == '{':
		return readJSONL(name, b)
	case len(first) > 0 && (first[0] == ';' || !bytes.ContainsRune(first, ',') && len(bytes.Fields(first)) == swfColumns):
		return readSWF(name, b, o.Processors)
	}
	t, err := newTable(name, b)
	if err != nil {
		return nil, err
	}
	w := &Workload{Name: name, Skipped: map[string]int{}}
	p := &specPool{requests: map[string]*job.Spec{}, models: map[string][]fleet.Model{}}
	switch {
	case t.has("name", "cpu_milli", "memory_mib", "num_gpu", "gpu_milli"):
		w.Timed = t.has("creation_time", "deletion_time", "scheduled_time")
		readRows(t, w, p, openbTask)
	case t.has("job_name", "organization", "gpu_model", "cpu_request", "gpu_request", "worker_num", "submit_time", "duration", "job_type"):
		w.Timed = true
		readRows(t, w, p, spotJob)
	case t.has(ownColumns[:]...):
		w.Timed = true
		readRows(t, w, p, ownJob)
	default:
		return nil, unknownHeader(t, "a job list", "name,cpu_milli,memory_mib,num_gpu,gpu_milli,... (openb); job_name,organization,... (spot); "+strings.Join(ownColumns[:], ",")+" (own)")
	}
	return w, t.err
}

// specPool shares what many jobs have in common, for a file of millions.
type specPool struct {
	requests map[string]*job.Spec
	models   map[string][]fleet.Model
}

// split returns the models of a list joined by "|", one slice for equal texts.
func (p *specPool) split(text string) []fleet.Model {
	if text == "" {
		return nil
	}
	list, ok := p.models[text]
	if !ok {
		for m := range strings.SplitSeq(text, "|") {
			if m = strings.TrimSpace(m); m != "" {
				list = append(list, fleet.Model(m))
			}
		}
		p.models[text] = list
	}
	return list
}

func readRows(t *table, w *Workload, p *specPool, read func(*table, *specPool) (Arrival, string)) {
	seen := map[string]int{}
	for t.next() {
		a, skip := read(t, p)
		if t.err != nil {
			return
		}
		if skip != "" {
			w.Skipped[skip]++
			continue
		}
		if first, twice := seen[a.Spec.Name]; twice {
			t.fail("", fmt.Sprintf("job %s is named on line %d already", a.Spec.Name, first), "names must differ")
		}
		seen[a.Spec.Name] = t.line
		a.Line = t.line
		if err := a.Spec.Check(); err != nil && t.err == nil {
			t.err = fault.Wrap(err, t.where(""), "job "+a.Spec.Name)
		}
		w.Jobs = append(w.Jobs, a)
	}
}
