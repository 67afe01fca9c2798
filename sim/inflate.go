package sim

import (
	"crypto/sha256"
	"fmt"
	"hash"
	"math"
	"time"

	"tianfu/control"
	"tianfu/drawing"
	"tianfu/energy"
	"tianfu/fleet"
	"tianfu/job"
	"tianfu/sched"
	"tianfu/unit"
)

// InflateColumns is the number of load columns, 0 to 130 percent.
const InflateColumns = 131

// Inflate is one run of the inflation protocol (FGD, USENIX ATC 2023): tasks
// arrive one by one until 130 % of the fleet's accelerators are asked for, and
// never leave. Decide makes the decisions; Measure computes the metrics
// afterwards from what was recorded, so that the two can be timed apart.
type Inflate struct {
	state   *control.State
	fleet   *fleet.Fleet
	rank    []int32
	power   []energy.NodeModel
	typical []sched.TypicalClass
	specs   []job.Spec // one for each arrival, with its latest start
	hash    hash.Hash
	buffer  []byte
	grants  []grant // one for each arrival
	moves   []moved
	draw    bool
}

// grant is what an arrival got; node -1 = dropped.
type grant struct {
	node    int32
	devices uint16
}

// moved is a running task that was put elsewhere before an arrival.
type moved struct {
	before  int32 // arrival
	task    int32 // arrival that brought the task
	node    int32
	devices uint16
}

// InflateParams are what a run needs.
type InflateParams struct {
	Fleet    *fleet.Fleet
	Workload *Workload
	Policy   string
	Seed     int64
	Power    []energy.NodeModel
	Draw     bool // keep what a report draws
}

// arrivalGap is the virtual time between two arrivals. Nothing depends on it.
const arrivalGap = time.Second

// NewInflate prepares a run: the arrival sequence of the seed and a centre
// that has seen nothing yet.
func NewInflate(p InflateParams) (*Inflate, error) {
	order, rank := InflateSequence(p.Workload, p.Fleet, p.Seed)
	r := &Inflate{fleet: p.Fleet, rank: rank, power: p.Power, typical: TypicalClasses(p.Workload), hash: sha256.New(), draw: p.Draw}
	r.specs = make([]job.Spec, len(order))
	for i, k := range order {
		r.specs[i] = *p.Workload.Jobs[k].Spec
		r.specs[i].StartBy = arrivalAt(i)
	}
	r.grants = make([]grant, len(order))
	state, err := control.Open(control.Config{
		Fleet: p.Fleet, Rank: rank, Power: p.Power, Policy: p.Policy,
		Params: sched.Config{Typical: r.typical, Seed: uint64(p.Seed)},
	})
	r.state = state
	return r, err
}

func arrivalAt(i int) unit.Instant { return unit.Instant(0).Add(time.Duration(i+1) * arrivalGap) }

// Arrivals returns the number of tasks that arrive.
func (r *Inflate) Arrivals() int { return len(r.specs) }

// Decide submits every arrival alone, one Step each, and hashes the canonical
// bytes of every record. It is the whole path of a decision in the product but
// for the disk.
func (r *Inflate) Decide() {
	batch := make([]control.Input, 1)
	for i := range r.specs {
		batch[0] = control.Input{Kind: control.Submit, Spec: &r.specs[i]}
		out := r.state.Step(arrivalAt(i), batch)
		r.grants[i].node = -1
		for k := range out.Records {
			rec := &out.Records[k]
			r.buffer = control.AppendRecord(r.buffer, rec)
			switch rec.Kind {
			case control.Allocated:
				r.grants[i] = grant{rec.Node, rec.Devices}
			case control.Moved:
				r.moves = append(r.moves, moved{int32(i), int32(rec.Job) - 1, rec.Node, rec.Devices})
			}
		}
		if len(r.buffer) >= 1<<15 {
			r.hash.Write(r.buffer)
			r.buffer = r.buffer[:0]
		}
	}
	r.hash.Write(r.buffer)
	r.buffer = r.buffer[:0]
}

// InflateResult holds the metrics of one run by load column (section 1.8 of
// the protocol page in docs/protocols.md). A column nothing fell into is NaN.
type InflateResult struct {
	Allocation    [InflateColumns]float64 // % of accelerator capacity
	Fragmentation [InflateColumns]float64 // % of accelerator capacity
	Kilowatts     [InflateColumns]float64
	Arrivals      int
	Dropped       int
	Moves         int
	Hash          [sha256.Size]byte

	// Taken when 100 % of the capacity has arrived, for reports.
	Unallocated         Causes
	GangFit, GangPacked drawing.Curve
	Heat                []drawing.HeatMap // at 50, 90 and 100 %
}

// Measure computes the metrics from the recorded grants on a fleet of its own.
func (r *Inflate) Measure() *InflateResult {
	m := newTally(r)
	res := &InflateResult{Arrivals: len(r.specs), Moves: len(r.moves)}
	var count [InflateColumns]float64
	ids := make([]sched.AllocID, len(r.specs))
	next := 0
	for i := range r.specs {
		for ; next < len(r.moves) && r.moves[next].before == int32(i); next++ {
			mv := &r.moves[next]
			ids[mv.task] = m.move(ids[mv.task], mv.node, mv.devices)
		}
		req := &r.specs[i].Groups[0].Request
		m.arrived += int64(req.Accelerators) * int64(req.Share)
		if g := r.grants[i]; g.node >= 0 {
			ids[i] = m.place(req, g)
		} else {
			res.Dropped++
		}
		if r.draw {
			res.watch(m, i, r)
		}
		column := int(math.RoundToEven(100 * float64(m.arrived) / float64(m.capacity)))
		if column >= InflateColumns {
			continue
		}
		count[column]++
		used := 100 * float64(m.cap.Used().Milli) / float64(m.capacity)
		res.Allocation[column] += math.Round(used*100) / 100
		res.Fragmentation[column] += 100 * float64(m.fragments) / float64(m.frag.Weight()) / float64(m.capacity)
		res.Kilowatts[column] += m.watts / 1000
	}
	for c := range count {
		res.Allocation[c] = math.Round(res.Allocation[c]/count[c]*100) / 100
		res.Fragmentation[c] /= count[c]
		res.Kilowatts[c] /= count[c]
	}
	copy(res.Hash[:], r.hash.Sum(nil))
	return res
}

// tally follows the metrics as grants come in.
type tally struct {
	cap       *sched.Capacity
	frag      *sched.Fragmentation
	arrived   int64 // milli
	capacity  int64 // milli
	drawn     int   // heat maps
	fragments int64 // milli, times the weight of the typical classes
	watts     float64
}

func newTally(r *Inflate) *tally {
	m := &tally{cap: sched.NewCapacity(r.fleet, r.rank, r.power)}
	m.frag = sched.NewFragmentation(m.cap, r.typical)
	m.capacity = m.cap.Total().Milli
	for n := range int32(m.cap.Nodes()) {
		m.fragments += m.frag.Node(m.cap, n)
		m.watts += float64(m.cap.Watts(n))
	}
	return m
}

func (m *tally) place(req *job.Request, g grant) sched.AllocID {
	f, w := m.frag.Node(m.cap, g.node), m.cap.Watts(g.node)
	id := m.cap.Grant(sched.Alloc{
		Job: 1, Node: g.node, CPU: int32(req.CPU), Memory: int32(req.Memory),
		Devices: g.devices, Share: int16(req.Share), End: unit.Never,
	})
	m.fragments += m.frag.Node(m.cap, g.node) - f
	m.watts += float64(m.cap.Watts(g.node) - w)
	return id
}

func (m *tally) move(id sched.AllocID, n int32, devices uint16) sched.AllocID {
	from := m.cap.Alloc(id).Node
	before := func(at int32) { m.fragments -= m.frag.Node(m.cap, at); m.watts -= float64(m.cap.Watts(at)) }
	after := func(at int32) { m.fragments += m.frag.Node(m.cap, at); m.watts += float64(m.cap.Watts(at)) }
	before(from)
	if n != from {
		before(n)
	}
	id = m.cap.Move(id, n, devices, 0)
	after(from)
	if n != from {
		after(n)
	}
	return id
}

// watch draws the fleet as the load passes 50, 90 and 100 percent.
func (res *InflateResult) watch(m *tally, i int, r *Inflate) {
	for m.drawn < len(heatLoads) && m.arrived*100 >= int64(heatLoads[m.drawn])*m.capacity {
		res.Heat = append(res.Heat, HeatOf(m.cap, fmt.Sprintf("%d %% arrived", heatLoads[m.drawn])))
		if heatLoads[m.drawn] == 100 {
			var seen []*job.Request
			for k := range r.specs[:i+1] {
				seen = append(seen, &r.specs[k].Groups[0].Request)
			}
			res.Unallocated = causes(m.cap, seen)
			res.GangFit, res.GangPacked = GangFits(m.cap, gangLevel)
		}
		m.drawn++
	}
}

// heatLoads are the loads at which the fleet is drawn, in percent.
var heatLoads = [...]int{50, 90, 100}
