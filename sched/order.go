package sched

// groupOrder hands out groups of pending jobs in queue order: what stays inside
// the guarantee of its queue before what borrows, then priority, then what was
// promised nodes that are due, then the queue and in it the tenant with the
// smallest share, then the earliest arrival. Shares only grow within a cycle, so
// a cursor whose queue or tenant was served since it was queued is put back with
// its new standing. What is due comes before shares because work was taken back
// for it: with a tenant's work its share falls, another job of that tenant would
// come first, and the two would have work taken back in turn.
type groupOrder struct {
	heap []groupCursor
	at   groupCursor // the one handed out last
}

type groupCursor struct {
	priority int32
	group    int32
	entry    int32
	standing
	seq uint64
}

// standing is how a job's queue and tenant stand in the order of the line.
type standing struct {
	borrows bool
	owed    bool  // a reservation of it has come due
	queue   int64 // share of the queue; 0 when none is declared
	share   int64 // share of the tenant
}

func (a *groupCursor) before(b *groupCursor) bool {
	if a.borrows != b.borrows {
		return b.borrows
	}
	if a.priority != b.priority {
		return a.priority > b.priority
	}
	if a.owed != b.owed {
		return a.owed
	}
	if a.queue != b.queue {
		return a.queue < b.queue
	}
	if a.share != b.share {
		return a.share < b.share
	}
	return a.seq < b.seq
}

func (o *groupOrder) fill(d *Decider) {
	o.heap = o.heap[:0]
	d.crowds, d.wants, d.byQueue = d.crowds[:0], d.wants[:0], nil
	for _, gi := range d.Waiting.live {
		g := &d.Waiting.groups[gi]
		o.heap = append(o.heap, o.cursor(d, gi, g.first))
		if d.Quotas != nil {
			d.crowd(&o.heap[len(o.heap)-1])
		}
	}
	for i := len(o.heap)/2 - 1; i >= 0; i-- {
		o.down(i)
	}
}

func (o *groupOrder) cursor(d *Decider, gi, entry int32) groupCursor {
	g := &d.Waiting.groups[gi]
	c := groupCursor{priority: g.key.priority, group: gi, entry: entry, seq: d.Waiting.entries[entry].seq}
	if len(d.Waiting.live) > 1 || d.Quotas != nil {
		d.apply()
		c.standing = o.standing(d, gi, entry)
	}
	return c
}

func (o *groupOrder) standing(d *Decider, gi, entry int32) standing {
	k := &d.Waiting.groups[gi].key
	s := standing{share: d.share(&d.Tenants[k.tenant], d.past.tenants, k.tenant)}
	if held := d.heldFor(d.Waiting.entries[entry].job); held != nil {
		s.owed = held.At <= d.now
	}
	if k.queue != 0 {
		q := &d.Quotas.queues[k.queue]
		s.queue = d.share(&q.held, d.past.queues, k.queue)
		s.borrows = d.borrows(q, &d.Waiting.entries[entry])
	}
	return s
}

// pop returns the next group in order.
func (o *groupOrder) pop(d *Decider) (*groupCursor, bool) {
	for len(o.heap) > 0 {
		o.at = o.heap[0]
		if len(o.heap) > 1 {
			d.apply()
			if now := o.standing(d, o.at.group, o.at.entry); now != o.at.standing {
				o.heap[0].standing = now
				o.down(0)
				continue
			}
		}
		end := len(o.heap) - 1
		o.heap[0] = o.heap[end]
		o.heap = o.heap[:end]
		o.down(0)
		return &o.at, true
	}
	return nil, false
}

// advance puts a group back with its next job.
func (o *groupOrder) advance(d *Decider, c *groupCursor, next int32) {
	if next < 0 {
		return
	}
	o.heap = append(o.heap, o.cursor(d, c.group, next))
	for i := len(o.heap) - 1; i > 0; {
		up := (i - 1) / 2
		if !o.heap[i].before(&o.heap[up]) {
			break
		}
		o.heap[i], o.heap[up] = o.heap[up], o.heap[i]
		i = up
	}
}

func (o *groupOrder) down(i int) {
	for {
		c := 2*i + 1
		if c >= len(o.heap) {
			return
		}
		if c+1 < len(o.heap) && o.heap[c+1].before(&o.heap[c]) {
			c++
		}
		if !o.heap[c].before(&o.heap[i]) {
			return
		}
		o.heap[i], o.heap[c] = o.heap[c], o.heap[i]
		i = c
	}
}
