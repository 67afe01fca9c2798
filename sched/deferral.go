package sched

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"tianfu/fleet"
	"tianfu/job"
	"tianfu/unit"
)

// RunSpan is a time in which a job is to run.
type RunSpan struct{ From, To unit.Instant }

// Saving is what a deferral is expected to save against starting when the job
// could: mg CO2e and 10^-9 yuan. Below zero it costs more of one for less of
// the other.
type Saving struct{ Carbon, Money int64 }

// Deferral is what a plan in time says of one job: when it runs, with pauses
// between the spans, and at which site. Model is the accelerators
// whose room the plan counts on; the cycle may choose others that the job
// accepts.
type Deferral struct {
	Job   job.ID
	Runs  []RunSpan // in order of time; none = an earlier plan is withdrawn, and nothing holds it back
	Site  string
	Model fleet.Model
	Saves Saving
}

// Load is what work takes of the fleet while it runs.
type Load struct {
	CPU, Memory, Milli int64 // milli CPU, MiB, thousandths of accelerators
	Tasks              int64
}

// LoadOf sums up what the tasks of a job ask for.
func LoadOf(s *job.Spec) Load {
	var l Load
	for i := range s.Groups {
		g := &s.Groups[i]
		n := int64(g.Count)
		l.Tasks += n
		l.CPU += n * int64(g.Request.CPU)
		l.Memory += n * int64(g.Request.Memory)
		l.Milli += n * int64(g.Request.Accelerators) * int64(g.Request.Share)
	}
	return l
}

// Occupation is a load at a site for a time.
type Occupation struct {
	Load
	Site     string
	Model    fleet.Model // of the accelerators; empty = none
	Power    int64       // milliwatts that it adds; 0 where power is not modelled
	From, To unit.Instant
	New      bool // of the plan that is verified, not what runs or stands
}

// Promise is what a deferral is held to: what the job still needs, what it
// takes, and when it must have ended.
type Promise struct {
	Load
	Left     time.Duration
	Due      unit.Instant // Never = it need not end by any instant
	StartBy  unit.Instant // 0 = no limit
	Pausable bool
	Running  bool
}

// VerifyDeferral holds what a plan says of one job to what was promised.
func VerifyDeferral(d *Deferral, p *Promise, now unit.Instant) error {
	if len(d.Runs) == 0 {
		return nil
	}
	var run time.Duration
	for i, r := range d.Runs {
		switch {
		case r.To <= r.From:
			return fmt.Errorf("%s is to run from %s to %s", d.Job, r.From, r.To)
		case i > 0 && r.From <= d.Runs[i-1].To:
			return fmt.Errorf("%s: its run from %s begins before the one before has ended", d.Job, r.From)
		}
		run += r.To.Sub(max(r.From, min(now, r.To)))
	}
	first, last := d.Runs[0], d.Runs[len(d.Runs)-1]
	switch {
	case len(d.Runs) > 1 && !p.Pausable:
		return fmt.Errorf("%s is to pause and cannot", d.Job)
	case run < p.Left:
		return fmt.Errorf("%s is to run for %s and needs %s", d.Job, run, p.Left)
	case last.To > p.Due:
		return fmt.Errorf("%s is to end at %s, after its deadline of %s", d.Job, last.To, p.Due)
	case p.StartBy != 0 && first.From > p.StartBy:
		return fmt.Errorf("%s is to start at %s, after its latest start of %s", d.Job, first.From, p.StartBy)
	case p.Running && first.From > now:
		return fmt.Errorf("%s runs already and is to start at %s", d.Job, first.From)
	}
	return nil
}

// sitePool names what is counted: a site, and of accelerators the model.
type sitePool struct {
	site  string
	model fleet.Model
}

// VerifyRoom checks that at no time from now on a new occupation is where all
// together ask for more than the open nodes of a site have. Where what runs took
// another place than an earlier plan counted on, what stands may be too much by
// itself: that is no fault of what is new elsewhere. It sweeps over the instants at which
// anything changes and shares nothing with the planner, which counts in slots.
func VerifyRoom(c *Capacity, uses []Occupation, now unit.Instant) error {
	room := map[sitePool]Load{}
	for n := range c.specs {
		s := &c.specs[n]
		if s.Health != fleet.Healthy || s.Cordoned || s.Drain {
			continue
		}
		at := sitePool{site: s.Place.Site}
		l := room[at]
		l.CPU, l.Memory = l.CPU+int64(s.CPU), l.Memory+int64(s.Memory)
		l.Tasks += int64(c.kinds[c.nodes[n].kind].Tasks)
		room[at] = l
		for i := range s.Devices {
			if s.Devices[i].Health == fleet.Healthy && !s.Devices[i].Cordoned {
				at.model = s.Model
				l := room[at]
				l.Milli += int64(unit.Whole)
				room[at] = l
			}
		}
	}
	changes := changesOf(uses, now)
	held, fresh := map[sitePool]Load{}, map[sitePool]int{}
	for _, e := range changes {
		u := &uses[e.use]
		sign := int64(1)
		if e.ends {
			sign = -1
		}
		for _, at := range [2]sitePool{{site: u.Site}, {u.Site, u.Model}} {
			l := held[at]
			if at.model == "" {
				l.CPU, l.Memory, l.Tasks = l.CPU+sign*u.CPU, l.Memory+sign*u.Memory, l.Tasks+sign*u.Tasks
			} else {
				l.Milli += sign * u.Milli
			}
			held[at] = l
			if u.New {
				fresh[at] += int(sign)
			}
			if r := room[at]; !e.ends && fresh[at] > 0 && (l.CPU > r.CPU || l.Memory > r.Memory || l.Milli > r.Milli || at.model == "" && l.Tasks > r.Tasks) {
				return fmt.Errorf("at %s work at site %q needs more than it has: %s", e.at, u.Site, l.beyond(r, at.model))
			}
			if u.Model == "" {
				break // it was one pool, not two
			}
		}
	}
	return nil
}

// change is an instant at which an occupation begins or ends.
type change struct {
	at   unit.Instant
	ends bool
	use  int32
}

// changesOf lists when occupations begin and end from now on, in order of time;
// at one instant ends come first.
func changesOf(uses []Occupation, now unit.Instant) (changes []change) {
	for i := range uses {
		if from := max(uses[i].From, now); from < uses[i].To {
			changes = append(changes, change{from, false, int32(i)}, change{uses[i].To, true, int32(i)})
		}
	}
	slices.SortFunc(changes, func(a, b change) int {
		if a.at == b.at && a.ends != b.ends {
			if a.ends {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.use, b.use))
	})
	return changes
}

// FirstOver returns the first instant from now on at which all occupations of a
// site together draw more than they may while one of them is new, and what they
// draw, in milliwatts. budget tells what they may draw from an instant on, and
// until when that holds.
func FirstOver(uses []Occupation, site string, now unit.Instant, budget func(unit.Instant) (int64, unit.Instant)) (at unit.Instant, drawn int64, over bool) {
	most, until, fresh := int64(0), now, 0
	for _, e := range changesOf(uses, now) {
		u := &uses[e.use]
		if u.Site != site {
			continue
		}
		if fresh == 0 && !e.ends && u.New {
			most, until = budget(e.at) // what was allowed before concerns nobody
		}
		for fresh > 0 && until <= e.at {
			at = until
			if most, until = budget(at); at < e.at && fresh > 0 && drawn > most {
				return at, drawn, true
			}
		}
		sign := int64(1)
		if e.ends {
			sign = -1
		}
		drawn += sign * u.Power
		if u.New {
			fresh += int(sign)
		}
		if !e.ends && fresh > 0 && drawn > most {
			return e.at, drawn, true
		}
	}
	return 0, 0, false
}

func (l Load) beyond(r Load, m fleet.Model) string {
	switch {
	case l.CPU > r.CPU:
		return fmt.Sprintf("%v of %v CPUs", unit.MilliCPU(l.CPU), unit.MilliCPU(r.CPU))
	case l.Memory > r.Memory:
		return fmt.Sprintf("%v of %v memory", unit.MiB(l.Memory), unit.MiB(r.Memory))
	case m == "":
		return fmt.Sprintf("%d of the %d tasks that its nodes take", l.Tasks, r.Tasks)
	}
	return fmt.Sprintf("%d of %d thousandths of %s", l.Milli, r.Milli, m)
}

// Accepts tells whether a task may use accelerators of a model.
func (c *Capacity) Accepts(r *job.Request, m fleet.Model) bool {
	return (len(r.Models) == 0 || slices.Contains(r.Models, m)) && able(c.traits[m], &r.Capability)
}

// Budget returns the IT power that work may bring an area to under some facts.
func (a *PowerArea) Budget(f *PowerFacts) int64 {
	budget, _ := a.budgets(f)
	return budget
}
