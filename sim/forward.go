package sim

import (
	"time"

	"tianfu/control"
	"tianfu/job"
	"tianfu/unit"
)

// RunTime says how long an attempt runs from start to end: one that begins now,
// or one that has run for a while and is known to run longer than that. expected
// is what planning was told of it; 0 = nothing.
type RunTime func(id job.ID, spec *job.Spec, expected, elapsed time.Duration) time.Duration

// Forward runs a centre on from where it stands, in virtual time: the cycle is
// control.Step's, hands stand in for the engine, and what runs ends when its
// run time says. Estimates, tried changes and what-if are all made of it.
type Forward struct {
	State    *control.State // a fork; the run owns it
	Run      RunTime
	Arrivals *Arrivals // what will be submitted; nil = nothing
	// Seen is called with every record that the run makes; nil = nobody looks.
	Seen func(*control.Record)
	// Grain joins what happens within a part of the time since the beginning into
	// one step, a hundredth for 100: so far ahead nobody knows the minute, and a
	// step costs the same for one end of a task as for twenty. 0 = every instant
	// has its own. What starts in a joined step counts as started when its node
	// had room and it had arrived: were it counted from the step, every device
	// would idle between the end of a task and the step, and a long line of short
	// tasks would take a tenth longer than it does.
	Grain time.Duration
	// Started is called with every start and its instant; nil = nobody asks.
	Started func(job.ID, unit.Instant)
	// Steps counts the steps made, so that a caller can bound them.
	Steps int

	hands hands
	batch []control.Input
	// reluctant work takes its time to leave.
	reluctant bool

	now   unit.Instant
	began unit.Instant
	fresh job.ID         // the first job that arrived in the joined step
	came  []unit.Instant // when it and those after it did
}

// NewForward begins a run forward at an instant, not before the state's. What
// runs is given its run time; what was told to leave leaves at once.
func NewForward(s *control.State, now unit.Instant, run RunTime) *Forward {
	f := &Forward{State: s, Run: run, now: max(now, s.Now()), began: max(now, s.Now())}
	c := s.Capacity()
	for n := range int32(c.Nodes()) {
		for _, a := range c.Running(n) {
			e := exit{at: f.now, id: a.Job, task: a.Task, attempt: a.Attempt, node: n, ending: control.Evicted}
			if !a.Evicting {
				j, _ := s.Summary(a.Job)
				expected := time.Duration(0)
				if a.End != unit.Never {
					expected = a.End.Sub(a.Start)
				}
				e.at, e.ending = a.Start.Add(run(a.Job, j.Spec, expected, f.now.Sub(a.Start))), control.Succeeded
				e.at = max(e.at, f.now+1)
			}
			f.hands.exits.push(e)
		}
	}
	return f
}

// NewTry begins a run that makes steps at one instant only: what runs is not
// looked at.
func NewTry(s *control.State, now unit.Instant) *Forward {
	return &Forward{State: s, Run: forever, now: max(now, s.Now())}
}

// Step hands inputs to the core at the present instant and carries out what it
// orders, until it orders nothing more at this instant. It returns the first
// refusal.
func (f *Forward) Step(batch []control.Input) (refused error) {
	for round := 0; len(batch) > 0; round++ {
		if f.reluctant = f.reluctant || round >= maxRounds; f.reluctant && round > 0 {
			f.leaveLater(batch)
			return refused
		}
		out := f.State.Step(f.now, batch)
		f.Steps++
		if len(out.Refusals) > 0 && refused == nil {
			refused = out.Refusals[0].Err
		}
		if f.Seen != nil {
			for i := range out.Records {
				f.Seen(&out.Records[i])
			}
		}
		f.batch = f.hands.obey(f.State, out, f.batch[:0], f.begin)
		batch = f.batch
	}
	return refused
}

// maxRounds bounds the steps at one instant, leaveTime is how long work takes to
// leave once the bound was met.
const (
	maxRounds = 1000
	leaveTime = 30 * time.Second
)

// leaveLater has work that was told to leave do so after a while. Otherwise two jobs
// whose work is taken back in turn would keep a run at one instant for ever.
func (f *Forward) leaveLater(told []control.Input) {
	for i := range told {
		in := &told[i]
		f.hands.exits.push(exit{at: f.now.Add(leaveTime), id: in.Job, task: in.Task, attempt: in.Attempt, ending: in.Ending, told: in.Exit})
	}
}

func (f *Forward) begin(o *control.Order) Attempt {
	j, _ := f.State.Summary(o.Job)
	c := f.State.Capacity()
	run := max(f.Run(o.Job, j.Spec, j.Spec.ExpectedOn(c.Node(o.Node).Model), 0), 1)
	at := f.startOf(o)
	if f.Started != nil {
		f.Started(o.Job, at)
	}
	if run -= f.now.Sub(at); f.State.HasPower() {
		run = max(run, 1) // paces of a limit look ahead only
	}
	return Attempt{Run: run}
}

// startOf says when what starts in a joined step would have started by itself.
func (f *Forward) startOf(o *control.Order) unit.Instant {
	at, freed := f.hands.freed[o.Node]
	if k := int(o.Job - f.fresh); k >= 0 && k < len(f.came) {
		return min(max(at, f.came[k]), f.now)
	}
	if !freed {
		return f.now
	}
	return at
}

// maxGrain is the longest time that is joined into one step.
const maxGrain = 10 * time.Minute

// Next moves on to the next instant at which anything happens and makes its
// step; false when that would be after until, or never.
func (f *Forward) Next(until unit.Instant) bool {
	at := min(f.hands.next(), f.State.NextWake())
	if f.Arrivals != nil {
		at = min(at, f.Arrivals.next())
	}
	if at > until || at == unit.Never {
		return false
	}
	over := f.hands.next() <= f.now // before the joined step that it began in was
	f.now = max(at, f.now)
	if f.Grain > 0 {
		if f.hands.freed == nil {
			f.hands.freed = map[int32]unit.Instant{}
		}
		clear(f.hands.freed)
		if !over {
			f.now = f.now.Add(min(f.now.Sub(f.began)/f.Grain, maxGrain))
			f.fresh, f.came = job.ID(f.State.Jobs()+1), f.came[:0]
		}
	}
	f.batch = f.hands.due(f.now, f.batch[:0])
	if f.Arrivals != nil {
		f.batch, f.came = f.Arrivals.due(f.now, f.batch, f.came)
	}
	if len(f.batch) == 0 {
		f.batch = append(f.batch, control.Input{Kind: control.Tick})
	}
	f.Step(f.batch)
	return true
}
