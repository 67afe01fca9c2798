package sched

// charge enters an allocation into the use of its queue (sign 1) or takes it
// out (-1).
func (d *Decider) charge(a *Alloc, sign int64) {
	if d.Quotas != nil {
		d.Quotas.Add(a, d.Capacity.nodes[a.Node].model, sign)
		d.chargeCrowd(a, sign)
	}
}

// chargeUnit charges an allocation and what leaves with it.
func (d *Decider) chargeUnit(id AllocID, sign int64) {
	for _, u := range d.unit(id) {
		d.charge(&d.Capacity.allocs[u], sign)
	}
}

// affords checks a task against the quota of its queue, and bars the models of
// which the queue may not use more.
func (d *Decider) affords(t *task, why *Reason) bool {
	d.barred = 0
	if t.queue == 0 {
		return true
	}
	s := &d.Capacity.shapes[t.ask.Shape]
	return d.affordsAll(t.queue, &need{int64(s.CPU), int64(t.ask.Memory), int64(s.Milli())}, s, why)
}

func (d *Decider) affordsAll(queue int16, n *need, s *Shape, why *Reason) bool {
	q := &d.Quotas.queues[queue]
	if cause, use := d.Quotas.limits(q, n); cause != None {
		*why = Reason{Dominant: cause, Quota: use}
		return false
	}
	if s.Count == 0 || len(d.Quotas.modelDim) == 0 {
		return true
	}
	barred, cause, use := d.Quotas.barred(q, s.Accept, n.milli)
	if barred != 0 && s.Accept&d.present()&^barred == 0 {
		*why = Reason{Dominant: cause, Quota: use}
		return false
	}
	d.barred = barred
	if lent, ahead, use := d.lentModels(queue, n.milli); lent != 0 {
		if d.barred |= lent; s.Accept&d.present()&^d.barred == 0 {
			*why = Reason{Dominant: QuotaKept, Quota: use, Ahead: ahead}
			return false
		}
	}
	return true
}

// present returns the set of models that the fleet has.
func (d *Decider) present() uint64 { return 1<<len(d.Capacity.models) - 1 }

// affordsGang checks a gang as a whole before its tasks are tried one by one:
// what all of them ask, and, when they are alike, what of the accepted models
// the queue may use together.
func (d *Decider) affordsGang(e *entry, why *Reason) bool {
	queue := d.queue(e)
	if queue == 0 || len(d.tasks) == 0 {
		return true
	}
	n, q := d.needOfTasks(), &d.Quotas.queues[queue]
	if kept, must := d.keptFrom(queue, &n, e); must {
		*why = kept
		return false
	}
	cause, use := d.Quotas.limits(q, &n)
	if cause == None && e.asks == nil {
		cause, use = d.Quotas.spread(q, d.Capacity.shapes[e.ask.Shape].Accept&d.present(), n.milli)
	}
	if cause != None {
		*why = Reason{Dominant: cause, Quota: use}
	}
	return cause == None
}

// borrows reports whether a pending job would take its queue beyond what it is
// guaranteed: the whole of a gang, a first task of any other.
func (d *Decider) borrows(q *queueQuota, e *entry) bool {
	accept := d.Capacity.shapes[e.ask.Shape].Accept & d.present()
	if e.spec.Gang && e.asks != nil {
		accept = d.present()
	}
	n := d.needOfEntry(e)
	return d.Quotas.borrows(q, &n, accept)
}

// needOfEntry sums up the whole of a gang, a first task of any other job.
func (d *Decider) needOfEntry(e *entry) need {
	s := &d.Capacity.shapes[e.ask.Shape]
	n := need{int64(s.CPU), int64(e.ask.Memory), int64(s.Milli())}
	switch times := int64(e.waitingTasks()); {
	case !e.spec.Gang:
	case e.asks == nil:
		n = need{times * n.cpu, times * n.memory, times * n.milli}
	default:
		d.listTasks(e)
		n = d.needOfTasks()
	}
	return n
}

// needOfTasks sums up what the listed tasks ask.
func (d *Decider) needOfTasks() need {
	var n need
	for k := range d.tasks {
		s := &d.Capacity.shapes[d.tasks[k].ask.Shape]
		n.cpu += int64(s.CPU)
		n.memory += int64(d.tasks[k].ask.Memory)
		n.milli += int64(s.Milli())
	}
	return n
}

// stopped reports whether a job waits for its queue's quota or for a budget, and
// not for room.
func (r *Reason) stopped() bool {
	return r.Dominant == QuotaKept || r.Dominant == OverQuota || r.Dominant == BorrowLimit || r.Dominant == Reclaiming || r.Dominant == OverBudget
}
