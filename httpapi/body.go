package httpapi

import (
	"cmp"
	"strconv"
	"strings"
	"time"

	"tianfu/fault"
	"tianfu/fleet"
	"tianfu/job"
	"tianfu/unit"
)

// JobBody is a job as people write it, in a file or a request: quantities are
// text with units.
type JobBody struct {
	Name        string      `json:"name" minLength:"1" maxLength:"128" doc:"A name for people; need not be unique"`
	Tenant      string      `json:"tenant,omitempty" maxLength:"128" doc:"Owner; the token's tenant when left out"`
	Queue       string      `json:"queue,omitempty" maxLength:"128"`
	Class       string      `json:"class,omitempty" enum:"batch,interactive,longrun" doc:"How it wants to be treated; batch when left out"`
	Priority    int32       `json:"priority,omitempty" minimum:"-1000000" maximum:"1000000" doc:"Larger is earlier"`
	Groups      []GroupBody `json:"groups,omitempty" maxItems:"64" doc:"Groups of equal tasks"`
	Gang        bool        `json:"gang,omitempty" doc:"All tasks start together or not at all"`
	Topology    string      `json:"topology,omitempty" doc:"Wish of a gang: prefer:LEVEL or must:LEVEL; levels are host, rack, segment, pod, site" example:"prefer:segment"`
	Preemptible bool        `json:"preemptible,omitempty" doc:"Higher priorities may take its place"`
	Suspendable bool        `json:"suspendable,omitempty" doc:"May be made to stand still for a while, with what it holds, when power is short"`
	ExpectedRun string      `json:"expected_run,omitempty" doc:"What planning may assume" example:"30m"`
	StartBy     string      `json:"start_by,omitempty" format:"date-time" doc:"Latest start; the job ends with its reason when it passes"`
	Deadline    string      `json:"deadline,omitempty" format:"date-time" doc:"When the work should have ended; planning may start it later, within this"`
	Wish        string      `json:"wish,omitempty" enum:"none,carbon,price,weights" doc:"What it may wait for within its deadline, or its class's allowance: hours of little carbon, a low price, or both together"`
	CarbonPrice int32       `json:"carbon_price,omitempty" minimum:"0" maximum:"1000000" doc:"Of the wish weights: what a tonne of CO2e is taken to cost, in yuan"`
	Pausable    bool        `json:"pausable,omitempty" doc:"It saves its progress when told to leave, so that a plan may pause it"`
	Retries     int         `json:"retries,omitempty" minimum:"0" maximum:"1000" doc:"More tries after a failed one"`
	Backoff     string      `json:"backoff,omitempty" doc:"Wait before the first of these; doubles" example:"10s"`
	Array       *ArrayBody  `json:"array,omitempty" doc:"Run as many elements as one job, each with an index: \"1-1000%50\" or {count: 1000, parallel: 50}"`
	After       []string    `json:"after,omitempty" maxItems:"64" doc:"Jobs to wait for: j-1 must complete, any:j-1 must end"`
	WorkBody
}

// WorkBody says what to run.
type WorkBody struct {
	Command    []string          `json:"command" minItems:"1" maxItems:"4096" doc:"Program and arguments; no shell is involved"`
	Image      string            `json:"image,omitempty" maxLength:"4096" doc:"Container image"`
	Env        map[string]string `json:"env,omitempty"`
	Files      []FileBody        `json:"files,omitempty" maxItems:"256" doc:"Written into the working directory"`
	Mounts     []MountBody       `json:"mounts,omitempty" maxItems:"64" doc:"Data sets by name; for operators also directories of the site"`
	Network    bool              `json:"network,omitempty" doc:"Without it the task has no network"`
	TimeLimit  string            `json:"time_limit,omitempty" example:"2h"`
	StopSignal string            `json:"stop_signal,omitempty" doc:"Sent first when the task has to end, e.g. SIGUSR1 to write a checkpoint"`
	Grace      string            `json:"grace,omitempty" doc:"Between that signal and SIGKILL" example:"30s"`
	Checkpoint *CheckpointBody   `json:"checkpoint,omitempty" doc:"It saves its progress in the directory TIANFU_CHECKPOINT, which outlives its attempts"`
}

// GroupBody is a number of equal tasks.
type GroupBody struct {
	Name         string   `json:"name,omitempty" maxLength:"128"`
	Count        int      `json:"count,omitempty" minimum:"0" maximum:"10000" doc:"Tasks; 1 when left out"`
	CPU          string   `json:"cpu,omitempty" doc:"Logical CPUs of one task" example:"4 or 500m"`
	Memory       string   `json:"memory,omitempty" doc:"Asked for by each task, and its limit; 512MiB when left out" example:"16GiB"`
	Accelerators int      `json:"accelerators,omitempty" minimum:"0" maximum:"16"`
	Share        string   `json:"share,omitempty" doc:"Part of one accelerator" example:"0.5 or 50%"`
	Partition    string   `json:"partition,omitempty" maxLength:"128" doc:"Hardware partition of one accelerator" example:"1g.10gb"`
	Models       []string `json:"models,omitempty" maxItems:"64" doc:"Accepted models, any of"`
	MinMemory    string   `json:"min_memory,omitempty" doc:"Memory of one accelerator" example:"40GiB"`
	Precisions   []string `json:"precisions,omitempty" maxItems:"16" doc:"Number formats it must compute in" example:"bf16"`
	Stack        string   `json:"stack,omitempty" maxLength:"128" doc:"Software stack" example:"cuda"`
}

// FileBody is a small file; data is base64.
type FileBody struct {
	Path       string `json:"path" maxLength:"1024"`
	Data       []byte `json:"data"`
	Executable bool   `json:"executable,omitempty"`
}

// MountBody shows a directory of the site inside the task.
type MountBody struct {
	Dataset  string `json:"dataset,omitempty" maxLength:"128" doc:"Name of a data set of the centre"`
	Source   string `json:"source,omitempty" maxLength:"4096" doc:"For operators: a directory or file of the site"`
	Target   string `json:"target,omitempty" maxLength:"4096" doc:"Where it is inside; /data/NAME for a data set when left out"`
	Writable bool   `json:"writable,omitempty"`
}

// CheckpointBody says how a task saves its progress.
type CheckpointBody struct {
	Signal string `json:"signal,omitempty" doc:"Sent first when the task has to leave; SIGTERM when left out" example:"SIGUSR1"`
	Grace  string `json:"grace,omitempty" doc:"What it has to save, from that signal to SIGKILL" example:"2m"`
	Every  string `json:"every,omitempty" doc:"How often it saves by itself; passed on as TIANFU_CHECKPOINT_EVERY, in seconds" example:"30m"`
}

// fields collects the first error with the field it is in.
type fields struct{ err error }

func field[T any](f *fields, name, text string, parse func(string) (T, error)) T {
	var zero T
	if text == "" || f.err != nil {
		return zero
	}
	v, err := parse(text)
	if err != nil {
		f.err = fault.Wrap(err, name, "cannot be read")
	}
	return v
}

// Spec checks the body and turns it into a job.
func (b *JobBody) Spec() (*job.Spec, error) {
	f := &fields{}
	class, ok := map[string]job.Class{"": job.Batch, "batch": job.Batch, "interactive": job.Interactive, "longrun": job.LongRun}[b.Class]
	if !ok {
		return nil, fault.New(fault.Invalid, "class", strconv.Quote(b.Class)+" is not a class", "use batch, interactive or longrun")
	}
	s := &job.Spec{
		Name: b.Name, Tenant: job.Tenant(b.Tenant), Queue: job.Queue(b.Queue), Class: class, Priority: b.Priority, Gang: b.Gang,
		Preemptible: b.Preemptible, Suspendable: b.Suspendable, Retries: b.Retries, CarbonPrice: b.CarbonPrice, Pausable: b.Pausable,
		Wish:        field(f, "wish", b.Wish, job.ParseWish),
		Topology:    field(f, "topology", b.Topology, job.ParseTopology),
		ExpectedRun: field(f, "expected_run", b.ExpectedRun, unit.ParseDuration),
		StartBy:     field(f, "start_by", b.StartBy, unit.ParseInstant),
		Deadline:    field(f, "deadline", b.Deadline, unit.ParseInstant),
		Backoff:     field(f, "backoff", b.Backoff, unit.ParseDuration),
	}
	for _, a := range b.After {
		s.After = append(s.After, field(f, "after", a, parseDependency))
	}
	groups := b.Groups
	if len(groups) == 0 {
		groups = []GroupBody{{CPU: "1"}}
	}
	for i := range groups {
		s.Groups = append(s.Groups, groups[i].group(f, "groups["+strconv.Itoa(i)+"]."))
	}
	work, err := b.work(f)
	if err == nil && f.err == nil {
		err = b.arrange(s, work)
	}
	if f.err != nil {
		return nil, f.err
	}
	if err != nil {
		return nil, err
	}
	if s.Work, err = work.Encode(); err != nil {
		return nil, err
	}
	return s, s.Check()
}

// defaultMemory is what a task may use whose group does not say.
const defaultMemory = "512MiB"

func (g *GroupBody) group(f *fields, at string) job.Group {
	out := job.Group{Name: g.Name, Count: max(g.Count, 1)}
	r := &out.Request
	r.CPU, r.Memory = field(f, at+"cpu", g.CPU, unit.ParseMilliCPU), field(f, at+"memory", cmp.Or(g.Memory, defaultMemory), unit.ParseMiB)
	if r.Memory == 0 && f.err == nil { // it is the task's limit, too: 0 would be none
		f.err = fault.New(fault.Invalid, at+"memory", "must be above 0", "write how much a task may use, like 4GiB, or leave it out for "+defaultMemory)
	}
	r.Accelerators, r.Partition = g.Accelerators, g.Partition
	if g.Share != "" {
		r.Share = field(f, at+"share", g.Share, unit.ParseMilli)
	}
	if (g.Share != "" || g.Partition != "") && r.Accelerators == 0 {
		r.Accelerators = 1
	}
	if r.Accelerators > 0 && g.Share == "" {
		r.Share = unit.Whole
	}
	for _, m := range g.Models {
		r.Models = append(r.Models, fleet.Model(m))
	}
	r.Capability = job.Capability{MinMemory: field(f, at+"min_memory", g.MinMemory, unit.ParseMiB), Precisions: g.Precisions, Stack: g.Stack}
	if c := &r.Capability; r.Accelerators == 0 && f.err == nil && (c.MinMemory != 0 || len(c.Precisions) > 0 || c.Stack != "") {
		f.err = fault.New(fault.Invalid, at+"accelerators", "is 0, but min_memory, precisions or stack say what accelerators must have", "say how many each task needs, such as accelerators: 1")
	}
	if out.Name == "" {
		out.Name = "main"
	}
	return out
}

func (b *WorkBody) work(f *fields) (*job.Work, error) {
	if len(b.Command) == 0 {
		return nil, fault.New(fault.Invalid, "command", "is missing", "name a program and its arguments")
	}
	w := &job.Work{
		Command: b.Command, Image: b.Image, Env: b.Env, Network: b.Network, StopSignal: b.StopSignal,
		TimeLimit: field(f, "time_limit", b.TimeLimit, unit.ParseDuration), Grace: field(f, "grace", b.Grace, unit.ParseDuration),
	}
	for _, x := range b.Files {
		w.Files = append(w.Files, job.WorkFile(x))
	}
	for _, x := range b.Mounts {
		w.Mounts = append(w.Mounts, job.Mount{Source: x.Source, Target: x.Target, Writable: x.Writable})
	}
	if c := b.Checkpoint; c != nil {
		w.Checkpoint = &job.Checkpoint{Signal: c.Signal, Grace: field(f, "checkpoint.grace", c.Grace, unit.ParseDuration), Every: field(f, "checkpoint.every", c.Every, unit.ParseDuration)}
	}
	return w, nil
}

func parseDependency(text string) (job.Dependency, error) {
	rest, any := strings.CutPrefix(text, "any:")
	id, err := ParseID(rest)
	return job.Dependency{Job: id, AnyEnd: any}, err
}

// ParseID reads a job's ID, "j-42".
func ParseID(s string) (job.ID, error) {
	n, err := strconv.ParseUint(strings.TrimPrefix(s, "j-"), 10, 64)
	if err != nil || n == 0 || !strings.HasPrefix(s, "j-") {
		return 0, fault.New(fault.Invalid, "job "+strconv.Quote(s), "is not a job ID", "write it like j-42")
	}
	return job.ID(n), nil
}

// duration renders a duration as people write it; nothing for none.
func duration(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return d.String()
}
