package sim

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"tianfu/fault"
	"tianfu/fleet"
	"tianfu/job"
	"tianfu/unit"
)

// GenerateParams say what workload to make.
type GenerateParams struct {
	Fleet *fleet.Fleet // nil = make one
	Nodes int          // in the fleet that is made
	Tasks int          // jobs
	Seed  uint64
	Load  float64 // offered accelerator load, such as 0.95
	Gangs float64 // part of the jobs with several tasks, 0 to 1
	// Median and Sigma shape the run times, which are log-normal; 0 = as fitted
	// to GPU clusters.
	Median time.Duration
	Sigma  float64
	// Named is the part of the accelerator tasks that accept one model only,
	// drawn by the devices of the fleet, 0 to 1.
	Named float64
}

// Limits of a generated workload.
const (
	MaxGenerateNodes = 1_000_000
	MaxGenerateTasks = maxRows
)

// nodeKind is a kind of node with its part of a fleet. The parts are the
// published node counts of Alibaba's cluster-trace-gpu-v2023 (1,213 GPU nodes,
// 6,212 GPUs), rounded.
type nodeKind struct {
	model   fleet.Model
	devices int
	cpu     int // logical CPUs
	memory  int // GiB
	part    int // per thousand nodes
}

var nodeKinds = []nodeKind{
	{"G2", 8, 96, 384, 453}, {"T4", 2, 104, 512, 319}, {"P100", 2, 16, 120, 88}, {"G3", 8, 128, 768, 32},
	{"V100M16", 4, 32, 128, 23}, {"P100", 2, 64, 256, 18}, {"V100M32", 8, 96, 768, 17}, {"V100M16", 1, 8, 32, 16},
	{"T4", 4, 96, 384, 14}, {"V100M32", 4, 48, 368, 8}, {"V100M16", 8, 64, 256, 6}, {"P100", 1, 8, 60, 3}, {"A10", 1, 128, 1024, 3},
}

// taskKind is a kind of task with its part of a workload: 13.3 % without
// accelerators, 37.8 % with a share of one, 48.0 % with one and 0.9 % with
// several (README of the trace; FGD, USENIX ATC 2023, section 2). Within these
// the sizes are ours: round numbers near the published medians.
type taskKind struct {
	count, share int
	cpu          int // milli
	memory       int // GiB
	part         int // per thousand tasks
}

var taskKinds = []taskKind{
	{0, 0, 4000, 8, 50}, {0, 0, 8000, 16, 40}, {0, 0, 16000, 32, 28}, {0, 0, 32000, 64, 15},
	{1, 800, 4000, 16, 90}, {1, 800, 12000, 32, 40}, {1, 500, 6000, 12, 90}, {1, 500, 8000, 24, 20}, {1, 650, 8000, 24, 40},
	{1, 300, 4000, 8, 50}, {1, 250, 4000, 8, 30}, {1, 150, 2000, 8, 18},
	{1, 1000, 4000, 16, 100}, {1, 1000, 8000, 32, 110}, {1, 1000, 12000, 48, 200}, {1, 1000, 16000, 64, 50}, {1, 1000, 24000, 96, 20},
	{2, 1000, 16000, 64, 3}, {4, 1000, 32000, 128, 3}, {8, 1000, 64000, 256, 2}, {8, 1000, 88000, 320, 1},
}

// segmentNodes and podSegments are the sizes of topology domains: 128 hosts a
// segment, 15 segments a pod (HPN, SIGCOMM 2024).
const (
	segmentNodes = 128
	podSegments  = 15
)

// runSigma and runMedian shape the run times: log-normal, as fitted to GPU
// clusters (Helios, SC 2021), median 40 minutes, cut at a week.
const (
	runSigma  = 1.6
	runMedian = 40 * time.Minute
	runLimit  = 7 * 24 * 3600.0
)

// generatedTenants share a workload by a Zipf law.
const generatedTenants = 16

// Generate makes a fleet and a workload from published marginals. Equal
// parameters give equal results on every machine.
func Generate(p GenerateParams) (*fleet.Fleet, *Workload, error) {
	if err := p.check(); err != nil {
		return nil, nil, err
	}
	if p.Median == 0 {
		p.Median = runMedian
	}
	if p.Sigma == 0 {
		p.Sigma = runSigma
	}
	rng := rand.New(rand.NewPCG(p.Seed, 0x67656e))
	f := p.Fleet
	if f == nil {
		f = generateFleet(p.Nodes, rng)
	}
	return f, generateJobs(p, f, rng), nil
}

func (p *GenerateParams) check() error {
	switch {
	case p.Fleet == nil && (p.Nodes < 1 || p.Nodes > MaxGenerateNodes):
		return fault.New(fault.Invalid, "--nodes", strconv.Itoa(p.Nodes)+" is out of range", "1 to 1,000,000")
	case p.Tasks < 1 || p.Tasks > MaxGenerateTasks:
		return fault.New(fault.Invalid, "--tasks", strconv.Itoa(p.Tasks)+" is out of range", "1 to 20,000,000")
	case !(p.Load > 0 && p.Load <= 100):
		return fault.New(fault.Invalid, "--load", fmt.Sprint(p.Load)+" is out of range", "0.95 is 95 % of the accelerators")
	case !(p.Gangs >= 0 && p.Gangs <= 1):
		return fault.New(fault.Invalid, "--gangs", fmt.Sprint(p.Gangs)+" is out of range", "a part of the jobs, 0 to 1")
	case p.Median < 0 || p.Median.Seconds() > runLimit:
		return fault.New(fault.Invalid, "--median", p.Median.String()+" is out of range", "0s to 168h; 0s = 40m")
	case !(p.Sigma >= 0 && p.Sigma <= 5):
		return fault.New(fault.Invalid, "--sigma", fmt.Sprint(p.Sigma)+" is out of range", "0 to 5; 0 = 1.6")
	case !(p.Named >= 0 && p.Named <= 1):
		return fault.New(fault.Invalid, "--named", fmt.Sprint(p.Named)+" is out of range", "a part of the tasks, 0 to 1")
	case p.Fleet != nil && p.Fleet.Devices() == 0:
		return fault.New(fault.Invalid, "--world", "the fleet has no accelerators to load", "name a world with accelerators")
	}
	return nil
}

func generateFleet(n int, rng *rand.Rand) *fleet.Fleet {
	f := &fleet.Fleet{Name: "generated", Nodes: make([]fleet.Node, n)}
	shared := map[int][]fleet.Device{} // declared devices are never changed in place
	for i := range f.Nodes {
		k := &nodeKinds[drawPart(rng, len(nodeKinds), func(i int) int { return nodeKinds[i].part })]
		if shared[k.devices] == nil {
			shared[k.devices] = make([]fleet.Device, k.devices)
		}
		segment := i / segmentNodes
		f.Nodes[i] = fleet.Node{
			ID: fleet.NodeID(fmt.Sprintf("n%06d", i)), CPU: unit.MilliCPU(k.cpu * 1000), Memory: unit.MiB(k.memory * 1024),
			Model: k.model, Devices: shared[k.devices], Segment: "s" + strconv.Itoa(segment), Pod: "p" + strconv.Itoa(segment/podSegments),
			Place: fleet.Place{Site: "site" + strconv.Itoa(i*2/n+1)},
		}
	}
	return f
}

// drawPart draws an index by parts that add up to about a thousand.
func drawPart(rng *rand.Rand, n int, part func(int) int) int {
	sum := 0
	for i := range n {
		sum += part(i)
	}
	k := rng.IntN(sum)
	for i := range n {
		if k -= part(i); k < 0 {
			return i
		}
	}
	return n - 1
}

func generateJobs(p GenerateParams, f *fleet.Fleet, rng *rand.Rand) *Workload {
	w := &Workload{Name: "generated", Path: "generated", Timed: true, Skipped: map[string]int{}, Jobs: make([]Arrival, p.Tasks)}
	groups := make([][]job.Group, len(taskKinds))
	for i, k := range taskKinds {
		groups[i] = []job.Group{{Count: 1, Request: requestOfKind(k)}}
	}
	tenants := make([]job.Tenant, generatedTenants)
	for i := range tenants {
		tenants[i] = job.Tenant(fmt.Sprintf("tenant-%02d", i+1))
	}
	models := newModelMix(f)
	specs := make([]job.Spec, p.Tasks)
	var work float64 // milli-seconds of device time
	for i := range w.Jobs {
		k := drawPart(rng, len(taskKinds), func(i int) int { return taskKinds[i].part })
		s := &specs[i]
		*s = job.Spec{Name: "job-" + strconv.Itoa(i+1), Tenant: tenants[zipf(rng)], Groups: groups[k], Preemptible: rng.IntN(10) == 0}
		if !s.Preemptible && rng.IntN(20) == 0 {
			s.Priority = 10
		}
		if p.Gangs > 0 && taskKinds[k].share == 1000 && rng.Float64() < p.Gangs {
			s.Gang, s.Topology = true, job.Topology{Mode: job.Prefer, Level: fleet.LevelSegment}
			s.Groups = []job.Group{{Count: 2 << rng.IntN(4), Request: requestOfKind(taskKinds[k])}}
		}
		if p.Named > 0 && taskKinds[k].count > 0 && rng.Float64() < p.Named {
			s.Groups = slices.Clone(s.Groups)
			s.Groups[0].Request.Models = models.draw(rng, taskKinds[k].count)
		}
		run := math.Round(min(math.Exp(float64(p.Sigma*normal(rng)))*p.Median.Seconds(), runLimit))
		a := &w.Jobs[i]
		*a = Arrival{Spec: s, Run: time.Duration(run) * time.Second, Number: int64(i + 1)}
		s.ExpectedRun = a.Run
		work += deviceMilli(a) * run
	}
	gap := work / float64(p.Tasks) / (p.Load * float64(f.Devices()) * float64(unit.Whole))
	at := 0.0
	for i := range w.Jobs {
		at += float64(exponential(rng) * gap)
		w.Jobs[i].Submit = unit.Instant(at * 1e9)
	}
	return w
}

// modelMix draws accelerator models by the devices a fleet has of them.
type modelMix struct {
	names   []fleet.Model
	devices []int
	widest  []int // devices of the largest node
}

func newModelMix(f *fleet.Fleet) *modelMix {
	m := &modelMix{}
	for i := range f.Nodes {
		n := &f.Nodes[i]
		if len(n.Devices) == 0 {
			continue
		}
		k := slices.Index(m.names, n.Model)
		if k < 0 {
			k = len(m.names)
			m.names, m.devices, m.widest = append(m.names, n.Model), append(m.devices, 0), append(m.widest, 0)
		}
		m.devices[k] += len(n.Devices)
		m.widest[k] = max(m.widest[k], len(n.Devices))
	}
	return m
}

// draw returns a model with nodes of enough devices, or nil for any.
func (m *modelMix) draw(rng *rand.Rand, devices int) []fleet.Model {
	k := drawPart(rng, len(m.names), func(i int) int { return m.devices[i] })
	if m.widest[k] < devices {
		return nil
	}
	return m.names[k : k+1]
}

func requestOfKind(k taskKind) job.Request {
	return job.Request{CPU: unit.MilliCPU(k.cpu), Memory: unit.MiB(k.memory * 1024), Accelerators: k.count, Share: unit.Milli(k.share)}
}

// zipf draws a tenant: the k-th has a part of 1/k.
func zipf(rng *rand.Rand) int {
	var sum float64
	for k := 1; k <= generatedTenants; k++ {
		sum += 1 / float64(k)
	}
	x := rng.Float64() * sum
	for k := 1; k <= generatedTenants; k++ {
		if x -= 1 / float64(k); x < 0 {
			return k - 1
		}
	}
	return generatedTenants - 1
}

// normal draws from the standard normal distribution (Box and Muller, 1958).
func normal(rng *rand.Rand) float64 {
	return float64(math.Sqrt(2*exponential(rng))) * math.Cos(float64(2*math.Pi*rng.Float64()))
}
