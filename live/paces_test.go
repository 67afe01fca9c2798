package live_test

import (
	"context"
	"sync"
	"time"

	"tianfu/control"
	"tianfu/engine"
	"tianfu/sched"
	"tianfu/store/memory"
	"tianfu/unit"
)

// pace is how a modelled task goes: slower on a node that is held to less power,
// not at all while it stands still. The arithmetic is that of sim, to the bit.
type pace struct {
	left  time.Duration // at full speed
	since unit.Instant
	speed int64 // thousandths
	still bool
}

func (p *pace) change(now unit.Instant, speed int64) {
	p.left = max(p.left-time.Duration(float64(now.Sub(p.since))*float64(p.speed)/1000), 0)
	p.since, p.speed = now, speed
}

// over is when the task ends at its present speed.
func (p *pace) over() unit.Instant {
	return p.since.Add(time.Duration(float64(p.left) / float64(p.speed) * 1000))
}

// nodePaces knows where tasks run and what their nodes are held to.
type nodePaces struct {
	mu    sync.Mutex
	node  map[engine.Key]int32
	level map[int32]int16
}

func (n *nodePaces) speedOf(k engine.Key) int64 {
	if n == nil {
		return 1000
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	level, held := n.level[n.node[k]]
	if !held {
		level = sched.Uncapped
	}
	return int64(sched.SpeedAt(level))
}

// watchedStore is a store beside which nodes do what the records say: a live
// centre has no knob for the power of a node, the node itself is slower.
type watchedStore struct {
	*memory.Store
	engine *modelled
}

func (s *watchedStore) Append(ctx context.Context, first uint64, records [][]byte) error {
	if err := s.Store.Append(ctx, first, records); err != nil {
		return err
	}
	return s.engine.obey(records)
}

// obey has nodes do what records say.
func (m *modelled) obey(records [][]byte) error {
	n := m.nodes
	if n == nil {
		return nil
	}
	for _, b := range records {
		r, err := control.DecodeRecord(b)
		if err != nil {
			return err
		}
		switch {
		case r.Kind == control.Allocated:
			n.mu.Lock()
			n.node[engine.Key{Job: r.Job, Task: int(r.Task), Generation: uint32(r.Attempt)}] = r.Node
			n.mu.Unlock()
		case r.Kind == control.NodePowered && r.Share > 0:
			n.mu.Lock()
			n.level[r.Node] = r.Share
			n.mu.Unlock()
			m.slow(r.Node)
		}
	}
	return nil
}
