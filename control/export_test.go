package control

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

var describedTry = regexp.MustCompile(` \[\d+ [^\]]* (true|false)\]|(?m:^(  task .* done (true|false)) failures \d+ eligible \d+)`)

// DescribeBefore is Describe without what snapshots of versions before do not tell.
func (s *State) DescribeBefore() string { return describedTry.ReplaceAllString(s.Describe(), "$2") }

// Describe renders what the state holds, for tests that compare a live state
// with one that was folded from its records.
func (s *State) Describe() string {
	var b strings.Builder
	fmt.Fprintf(&b, "opened %v moves %d used %+v\n", s.opened, s.moves, s.cap.Used())
	for i := range s.jobs.len() {
		j := s.jobs.at(i)
		fmt.Fprintf(&b, "job %d %s submitted %d phase %d queued %v running %d open %d failures %d holds %d eligible %d\n", i+1, j.spec.Name, j.submitted, j.phase, j.queued, j.running, j.open, j.failures, j.holds, j.eligible)
		if sh := j.shift; sh != nil {
			fmt.Fprintf(&b, "  due %d plan %+v %v latest %d pausing %v begun %d done %d risk %v %v missed %v\n", sh.due, sh.plan, sh.plannedAt, sh.latest, sh.pausing, sh.begun, sh.done, sh.atRisk, sh.risk, sh.missed)
		}
		for k := range int32(j.spec.Tasks()) {
			t := j.task(k)
			fmt.Fprintf(&b, "  task %d attempt %d running %v done %v failures %d eligible %d", k, t.attempt, t.running, t.done, t.failures, t.eligible)
			for _, y := range t.tries {
				fmt.Fprintf(&b, " [%d %s %d-%d %d %v]", y.Attempt, y.Node, y.From, y.To, y.Ending, y.Exit != nil)
			}
			if t.running {
				a := *s.cap.Alloc(t.alloc)
				a.Shape = 0
				fmt.Fprintf(&b, " %+v", a)
			}
			fmt.Fprintln(&b)
		}
	}
	for i, u := range s.tenants {
		fmt.Fprintf(&b, "tenant %s %+v\n", s.names[i], u)
	}
	b.WriteString(s.quotas.Describe())
	for n := range int32(s.cap.Nodes()) {
		spec := s.cap.Node(n)
		fmt.Fprintf(&b, "node %s %v %v %v %+v left %+v\n", spec.ID, spec.Health, spec.Cordoned, spec.Drain, spec.Devices, s.cap.Left(n))
	}
	for _, h := range s.hours {
		fmt.Fprintf(&b, "site %q %+v\n", h.name, h.hours)
	}
	if l := s.ledger; l != nil {
		fmt.Fprintf(&b, "ledger next %d %+v %+v %+v\n", l.next, l.sites, l.nodes, l.tenants)
	}
	for i := range s.cap.Areas() {
		a := s.cap.Area(int32(i))
		fmt.Fprintf(&b, "area %s %+v budget %d bound %d draw %d settled %d capped %d stopped %d tried %v battery %+v\n",
			a.Declared.Path, a.Facts, a.Budget, a.Bound, a.Draw, a.Settled, a.Capped, a.Stopped, a.Tried, s.power.batteries[i])
	}
	for n := range int32(s.cap.Nodes()) {
		if s.cfg.Tree != nil {
			fmt.Fprintf(&b, "node %d power %+v\n", n, s.cap.NodePower(n))
		}
	}
	fmt.Fprintf(&b, "caps %+v solar %+v sheds %+v waking %+v\n", s.power.caps, s.power.solar, s.power.sheds, s.power.waking)
	if x := s.budgets; x != nil {
		fmt.Fprintf(&b, "budgets %+v %v %+v\n", x.spent, x.until, x.gone)
	}
	fmt.Fprintf(&b, "misses %+v\n", s.misses)
	due := slices.Clone(s.due)
	due = slices.DeleteFunc(due, func(d dueJob) bool { return s.jobOf(d.id).phase != Pending || s.jobOf(d.id).started })
	slices.SortFunc(due, func(a, b dueJob) int { return int(a.id) - int(b.id) })
	fmt.Fprintf(&b, "held %+v others %+v due %v waiting %d\n", s.held, s.others, due, s.waiting.Len())
	return b.String()
}

// Recover returns the state that a log of records describes. The first record
// must be the one that opened the centre.
func Recover(records []Record) (*State, error) {
	var v Recovery
	for i := range records {
		if err := v.Add(&records[i]); err != nil {
			return nil, err
		}
	}
	return v.State()
}
