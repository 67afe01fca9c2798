package sim

import (
	"container/heap"
	"math/rand/v2"
	"time"

	"tianfu/control"
	"tianfu/fleet"
)

// faultHeap orders node events to come.
type faultHeap []nodeFault

type nodeFault struct {
	event  NodeEvent
	node   int32 // index in the fleet
	random bool  // drawn: its repair or next failure follows
}

func (h faultHeap) Len() int { return len(h) }
func (h faultHeap) Less(i, j int) bool {
	return h[i].event.At < h[j].event.At || h[i].event.At == h[j].event.At && h[i].node < h[j].node
}
func (h faultHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }

// Push serves container/heap.
func (h *faultHeap) Push(x any) { *h = append(*h, x.(nodeFault)) }

// Pop serves container/heap.
func (h *faultHeap) Pop() any {
	old := *h
	x := old[len(old)-1]
	*h = old[:len(old)-1]
	return x
}

func (t *Timed) prepareFaults() {
	index := map[fleet.NodeID]int32{}
	if len(t.p.Events) > 0 {
		for i := range t.p.Fleet.Nodes {
			index[t.p.Fleet.Nodes[i].ID] = int32(i)
		}
	}
	for _, e := range t.p.Events {
		t.faults = append(t.faults, nodeFault{event: e, node: index[e.Node]})
	}
	if f := t.p.Failures; f.MTBF > 0 && len(t.order) > 0 {
		t.rng = rand.New(rand.NewPCG(f.Seed, 0x6661756c74))
		begin := t.p.Workload.Jobs[t.order[0]].Submit
		for i := range t.p.Fleet.Nodes {
			t.faults = append(t.faults, nodeFault{
				event: NodeEvent{At: begin.Add(t.exponential(f.MTBF)), Node: t.p.Fleet.Nodes[i].ID, Health: fleet.Failed},
				node:  int32(i), random: true,
			})
		}
	}
	heap.Init(&t.faults)
}

// nodeInput takes the next node event and, for a drawn one, draws what
// follows.
func (t *Timed) nodeInput() control.Input {
	f := heap.Pop(&t.faults).(nodeFault)
	e := f.event
	if e.Health == fleet.Failed {
		t.Totals.NodeFailures++
	}
	if f.random {
		next := f
		if e.Health == fleet.Failed {
			next.event.Health, next.event.At = fleet.Healthy, e.At.Add(t.exponential(t.p.Failures.MTTR))
		} else {
			next.event.Health, next.event.At = fleet.Failed, e.At.Add(t.exponential(t.p.Failures.MTBF))
		}
		heap.Push(&t.faults, next)
	}
	return control.Input{Kind: control.NodeState, Node: e.Node, Device: -1, Health: e.Health, Cordon: e.Cordon, Drain: e.Drain}
}

func (t *Timed) exponential(mean time.Duration) time.Duration {
	return max(time.Duration(exponential(t.rng)*float64(mean)), time.Second)
}
