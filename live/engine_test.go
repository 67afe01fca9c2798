package live_test

import (
	"cmp"
	"container/heap"
	"context"
	"io"
	"slices"
	"sync"
	"time"

	"tianfu/engine"
	"tianfu/fault"
	"tianfu/job"
	"tianfu/unit"
)

// modelled is an engine.Engine that runs nothing: a task ends when its virtual
// run time is over, or when it is told to. It keeps the promises of the port -
// a key starts once, an end is kept until it is acknowledged - and outlives the
// centre that uses it. Reports are delivered by whoever drives the test.
type modelled struct {
	now func() unit.Instant
	run func(engine.Key) (time.Duration, engine.Exit)

	mu      sync.Mutex
	deaf    bool // orders do not arrive
	tasks   map[engine.Key]*modelledTask
	ends    endHeap      // of attempts to come, those stopped before too
	stopped []engine.Key // told to end, not yet reported
	reports chan engine.Report
	kick    chan struct{}              // an order has come
	twice   []engine.Key               // started although they were known: must stay empty
	done    func(job.ID) time.Duration // work of a job that earlier attempts have saved; nil = none
	nodes   *nodePaces                 // of a centre that limits power; nil = nothing holds a node back
	bare    []engine.Key               // given devices, but not of which stack: must stay empty
}

type modelledTask struct {
	state   engine.State
	started unit.Instant
	end     engine.Report
	exit    engine.Exit
	turn    int // of its end in the heap: an earlier one was put off
	pace
}

func newModelled(now func() unit.Instant, run func(engine.Key) (time.Duration, engine.Exit)) *modelled {
	return &modelled{now: now, run: run, tasks: map[engine.Key]*modelledTask{}, reports: make(chan engine.Report, 1<<12), kick: make(chan struct{}, 1)}
}

func (m *modelled) wake() {
	select {
	case m.kick <- struct{}{}:
	default:
	}
}

// Start keeps the order; a key that is known is left as it is.
func (m *modelled) Start(_ context.Context, o engine.Order) error {
	d, exit := m.run(o.Key)
	if m.done != nil {
		d = max(d-m.done(o.Key.Job), 0)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.deaf {
		return fault.New(fault.Unavailable, o.Key.String(), "the site cannot be reached", "")
	}
	if m.tasks[o.Key] != nil {
		m.twice = append(m.twice, o.Key)
		return nil
	}
	if len(o.Devices) > 0 && o.Stack == "" {
		m.bare = append(m.bare, o.Key)
	}
	t := &modelledTask{state: engine.Running, started: m.now(), exit: exit}
	m.tasks[o.Key] = t
	at := m.now().Add(d)
	if m.nodes != nil {
		t.pace = pace{left: d, since: m.now(), speed: m.nodes.speedOf(o.Key)}
		at = t.pace.over()
	}
	heap.Push(&m.ends, ending{at: at, key: o.Key, exit: exit})
	m.wake()
	return nil
}

// Suspend makes a task stand still or go on.
func (m *modelled) Suspend(_ context.Context, k engine.Key, still bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.tasks[k]
	switch {
	case m.deaf:
		return fault.New(fault.Unavailable, k.String(), "the site cannot be reached", "")
	case t == nil || t.state != engine.Running:
		return fault.New(fault.NotFound, k.String(), "no such task here", "")
	case t.still == still:
		return nil
	}
	t.still = still
	speed := int64(0)
	if !still {
		speed = m.nodes.speedOf(k)
	}
	m.repace(k, t, speed)
	return nil
}

// slow has what runs on a node go at another speed.
func (m *modelled) slow(node int32) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for k, t := range m.tasks {
		if t.state == engine.Running && !t.still && m.nodes.node[k] == node {
			m.repace(k, t, m.nodes.speedOf(k))
		}
	}
}

func (m *modelled) repace(k engine.Key, t *modelledTask, speed int64) {
	t.change(m.now(), speed)
	if t.turn++; speed > 0 {
		heap.Push(&m.ends, ending{t.pace.over(), k, t.exit, t.turn})
	}
	m.wake()
}

// standing counts the tasks that stand still.
func (m *modelled) standing() (n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, t := range m.tasks {
		if t.state == engine.Running && t.still {
			n++
		}
	}
	return n
}

// Stop has the task end at once.
func (m *modelled) Stop(_ context.Context, k engine.Key, _ time.Duration) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.deaf {
		return fault.New(fault.Unavailable, k.String(), "the site cannot be reached", "")
	}
	t := m.tasks[k]
	if t == nil {
		return fault.New(fault.NotFound, k.String(), "no such task here", "")
	}
	if t.state == engine.Running && !slices.Contains(m.stopped, k) {
		m.stopped = append(m.stopped, k)
		m.wake()
	}
	return nil
}

// due ends what has to end by now and returns the reports, all of one instant.
func (m *modelled) due() (out []engine.Report) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for len(m.ends) > 0 && m.ends[0].at <= m.now() {
		e := heap.Pop(&m.ends).(ending)
		if t := m.tasks[e.key]; t.state == engine.Running && t.turn == e.turn {
			out = append(out, m.endOf(t, e.key, e.exit))
		}
	}
	for _, k := range m.stopped {
		if t := m.tasks[k]; t.state == engine.Running {
			out = append(out, m.endOf(t, k, stoppedExit))
		}
	}
	m.stopped = m.stopped[:0]
	return out
}

var stoppedExit = engine.Exit{Cause: engine.CauseStopped, Code: -1, Signal: "SIGTERM"}

func (m *modelled) endOf(t *modelledTask, k engine.Key, exit engine.Exit) engine.Report {
	t.state = engine.Ended
	t.end = engine.Report{Key: k, Kind: engine.Exited, At: m.now(), Exit: exit}
	return t.end
}

// next is when the next attempt ends; Never when none is to.
func (m *modelled) next() unit.Instant {
	m.mu.Lock()
	defer m.mu.Unlock()
	for m.nodes != nil && len(m.ends) > 0 { // what was put off, or has ended, wakes nobody
		if t := m.tasks[m.ends[0].key]; t.state == engine.Running && t.turn == m.ends[0].turn {
			break
		}
		heap.Pop(&m.ends)
	}
	switch {
	case len(m.stopped) > 0:
		return m.now()
	case len(m.ends) == 0:
		return unit.Never
	}
	return m.ends[0].at
}

// reopen is the engine as the next centre finds it: it reports again what was
// not acknowledged, here as one batch that the test delivers.
func (m *modelled) reopen() (again []engine.Report) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.deaf = false
	m.reports = make(chan engine.Report, 1<<12)
	for _, t := range m.tasks {
		if t.state == engine.Ended {
			again = append(again, t.end)
		}
	}
	slices.SortFunc(again, func(a, b engine.Report) int { return a.Key.Compare(b.Key) })
	return again
}

func (m *modelled) Ack(_ context.Context, k engine.Key) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.tasks[k]
	switch {
	case t == nil:
		return fault.New(fault.NotFound, k.String(), "no such task here", "")
	case t.state == engine.Running:
		return fault.New(fault.Conflict, k.String(), "has not ended", "")
	}
	t.state = engine.Acked
	return nil
}

func (m *modelled) Tasks(context.Context) (out []engine.Status, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for k, t := range m.tasks {
		out = append(out, engine.Status{Key: k, State: t.state, Started: t.started})
	}
	slices.SortFunc(out, func(a, b engine.Status) int { return a.Key.Compare(b.Key) })
	return out, nil
}

func (m *modelled) Reports() <-chan engine.Report {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.reports
}

func (m *modelled) Forget(context.Context, engine.Key) error { return nil }

func (m *modelled) Logs(context.Context, engine.LogQuery) (engine.Log, error) { return noLog{}, nil }

func (m *modelled) Probe(context.Context) (engine.Probe, error) { return engine.Probe{}, nil }

func (m *modelled) Close() error { return nil }

type noLog struct{}

func (noLog) Read([]byte) (int, error) { return 0, io.EOF }
func (noLog) Close() error             { return nil }
func (noLog) Offset() int64            { return 0 }

// ending is the end of an attempt to come.
type ending struct {
	at   unit.Instant
	key  engine.Key
	exit engine.Exit
	turn int
}

type endHeap []ending

func (h endHeap) Len() int { return len(h) }
func (h endHeap) Less(i, j int) bool {
	return cmp.Or(cmp.Compare(h[i].at, h[j].at), h[i].key.Compare(h[j].key)) < 0
}
func (h endHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *endHeap) Push(x any)   { *h = append(*h, x.(ending)) }
func (h *endHeap) Pop() any {
	old := *h
	x := old[len(old)-1]
	*h = old[:len(old)-1]
	return x
}

// set makes the engine deaf to orders, as if the centre died before it gave
// them.
func (m *modelled) set(deaf bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.deaf = deaf
}
