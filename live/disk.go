package live

import (
	"context"
	"sync"
	"time"

	"tianfu/control"
	"tianfu/engine"
	"tianfu/fault"
)

// disk is what is known of the disk that tasks start on. While it is short the
// node takes no new work: what is to start waits, and no attempt is lost.
type disk struct {
	mu    sync.Mutex
	until time.Time     // an engine had no room for a task: none is tried before
	wait  time.Duration // that passed the last time
}

// How often the disk is looked at, and how long no start is tried after an engine
// had no room for one, at first and at most.
const (
	diskEvery = 2 * time.Second
	firstWait = 5 * time.Second
	maxWait   = time.Minute
)

// full notes that an engine had no room for a task.
func (d *disk) full(now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if now.Before(d.until) {
		return
	}
	if now.After(d.until.Add(maxWait)) { // it went well for a while
		d.wait = 0
	}
	d.wait = min(max(2*d.wait, firstWait), maxWait)
	d.until = now.Add(d.wait)
}

func (d *disk) waits(now time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return now.Before(d.until)
}

// watchDisk tells the core when the disk of this node becomes short, and when it
// has room again, until the context ends.
func (c *Centre) watchDisk(ctx context.Context) {
	tick := time.NewTicker(diskEvery)
	defer tick.Stop()
	for {
		c.tellDisk(ctx)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// tellDisk tells the core how the disk is, where the core has it otherwise.
func (c *Centre) tellDisk(ctx context.Context) {
	room := c.o.Store.Room()
	short, told := room != nil || c.disk.waits(time.Now()), false
	err := c.View(ctx, func(st *control.State) {
		n, there := st.NodeRank(c.o.Node)
		told = !there || st.Capacity().Node(n).ShortOfDisk == short
	})
	if err != nil || told {
		return
	}
	if short {
		c.o.Logger.Warn("this node has too little disk for new work, which waits", "node", c.o.Node, "why", room)
	} else {
		c.o.Logger.Info("this node has disk for new work again", "node", c.o.Node)
	}
	c.send(ctx, ask{input: control.Input{Kind: control.NodeDisk, Node: c.o.Node, Short: short}})
}

// notTaken reports an attempt for which an engine had no room: the node takes no
// new work first, so that the task waits and is not tried over and over.
func (c *Centre) notTaken(ctx context.Context, k engine.Key, why error) {
	c.disk.full(time.Now())
	c.tellDisk(ctx)
	c.send(ctx, ask{input: control.Input{
		Kind: control.Exited, Job: k.Job, Task: int32(k.Task), Attempt: int32(k.Generation), Ending: control.NotTaken,
		Exit: &control.Exit{Code: -1, Detail: bounded("no-room: " + why.Error())},
	}})
}

// noRoom tells whether a start failed for want of disk.
func noRoom(o *act, err error) bool {
	return o.Kind == control.Start && fault.KindOf(err) == fault.Exhausted
}

// bounded bounds the detail of an exit.
func bounded(text string) string { return text[:min(len(text), 512)] }
