package sim

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"tianfu/energy"
	"tianfu/fault"
	"tianfu/fleet"
	"tianfu/job"
	"tianfu/sched"
)

// Change is one clause of a what-if: "add 4 nodes like n12", "policy fgd". It
// changes what a replay begins with.
type Change struct {
	Text  string
	verb  *verb
	words []string
	aids  *Aids // what it names beyond the period; nil = nothing
}

// Bounds of the language.
const (
	maxChange   = 4096 // bytes
	maxClauses  = 32
	maxNewNodes = 20_000
)

// verb is a kind of clause, with its form for messages and documents.
type verb struct {
	name, form string
	apply      func(*Change, *TimedParams) error
}

// The clauses.
var verbs = []verb{
	{"cap", "cap site=NAME 70% | 300kW [from 2d] [for 6d]", (*Change).cap},
	{"budget", "budget tenant=NAME | site=NAME energy=100kWh/day carbon=10kg/day | none", (*Change).budget},
	{"add", "add N nodes like NODE", (*Change).addNodes},
	{"remove", "remove N nodes [model=MODEL] | remove node=NAME", (*Change).removeNodes},
	{"quota", "quota queue=NAME RESOURCE=AMOUNT ...", (*Change).quota},
	{"policy", "policy NAME", (*Change).policy},
	{"backfill", "backfill easy | none", (*Change).backfill},
	{"preempt", "preempt on | off", (*Change).preempt},
	{"estimates", "estimates exact | x1to5 | none", (*Change).estimates},
	{"arrivals", "arrivals x1.2", (*Change).arrivals},
	{"runtimes", "runtimes x0.9", (*Change).runtimes},
	{"carbon", "carbon x1.5 | 400 (g/kWh) | FILE[:COLUMN] | price 80 (yuan/t) [site=NAME]", (*Change).carbon},
	{"price", "price x1.5 | 0.8 (yuan/kWh) | FILE[:COLUMN] [site=NAME]", (*Change).price},
	{"pue", "pue 1.2 [site=NAME]", (*Change).pue},
	{"weather", "weather FILE [site=NAME]", (*Change).weather},
}

// ChangeForms lists the forms of the clauses.
func ChangeForms() []string {
	var out []string
	for i := range verbs {
		out = append(out, verbs[i].form)
	}
	return out
}

// ParseChanges reads clauses divided by semicolons.
func ParseChanges(text string) ([]Change, error) {
	if len(text) > maxChange {
		return nil, fault.New(fault.Invalid, "change", "is longer than 4,096 bytes", "say less at once")
	}
	var out []Change
	for clause := range strings.SplitSeq(text, ";") {
		words := strings.Fields(clause)
		if len(words) == 0 {
			continue
		}
		k := slices.IndexFunc(verbs, func(v verb) bool { return v.name == words[0] })
		if k < 0 {
			return nil, fault.New(fault.Invalid, "change "+strconv.Quote(strings.Join(words, " ")), "begins with an unknown word", "write one of: "+strings.Join(ChangeForms(), "; "))
		}
		out = append(out, Change{Text: strings.Join(words, " "), verb: &verbs[k], words: words[1:]})
	}
	if len(out) == 0 || len(out) > maxClauses {
		return nil, fault.New(fault.Invalid, "change", fmt.Sprintf("has %d clauses", len(out)), "write 1 to 32, divided by semicolons: "+strings.Join(ChangeForms(), "; "))
	}
	return out, nil
}

// Apply changes what a replay begins with. Nothing that p shares with others is
// changed in place.
func (c *Change) Apply(p *TimedParams) error { return c.verb.apply(c, p) }

func (c *Change) wrong(what string) error {
	return fault.New(fault.Invalid, "change "+strconv.Quote(c.Text), what, "write it like: "+c.verb.form)
}

// one returns the only word of a clause.
func (c *Change) one() string {
	if len(c.words) == 1 {
		return c.words[0]
	}
	return ""
}

// scale reads "x1.2"; false when the word is no scale.
func scale(word string) (float64, bool) {
	rest, ok := strings.CutPrefix(word, "x")
	v, err := strconv.ParseFloat(rest, 64)
	return v, ok && err == nil && v > 0 && v <= 100
}

func (c *Change) policy(p *TimedParams) error {
	if c.one() == "" {
		return c.wrong("names no policy")
	}
	if _, err := sched.New(c.one(), sched.NewCapacity(p.Fleet, p.Rank, p.Power), p.Params); err != nil {
		return fault.Wrap(err, "change "+strconv.Quote(c.Text), "take the policy")
	}
	p.Policy = c.one()
	return nil
}

func (c *Change) backfill(p *TimedParams) error {
	switch c.one() {
	case "easy":
		p.Rules.Backfill = sched.Easy
	case "none":
		p.Rules.Backfill = sched.Strict
	default:
		return c.wrong("names no rule")
	}
	return nil
}

func (c *Change) preempt(p *TimedParams) error {
	if c.one() != "on" && c.one() != "off" {
		return c.wrong("says neither on nor off")
	}
	p.Rules.Preempt = c.one() == "on"
	return nil
}

func (c *Change) estimates(p *TimedParams) error {
	e, ok := map[string]Estimate{"exact": Exact, "x1to5": OneToFive, "none": NoEstimate}[c.one()]
	if !ok {
		return c.wrong("names no estimates")
	}
	p.Estimate = e
	return nil
}

// arrivals keeps or repeats jobs, each with the same chance, so that the period
// stays as long: at x1.2 one job in five comes twice.
func (c *Change) arrivals(p *TimedParams) error {
	by, ok := scale(c.one())
	if !ok {
		return c.wrong("names no scale")
	}
	w := *p.Workload
	if float64(len(w.Jobs))*by > maxRows {
		return c.wrong("makes more than 20 million jobs")
	}
	w.Jobs = nil
	for i := range p.Workload.Jobs {
		copies := int(by)
		if fraction(uint64(i)+1, 0x6172) < by-math.Floor(by) {
			copies++
		}
		for range copies {
			w.Jobs = append(w.Jobs, p.Workload.Jobs[i])
		}
	}
	p.Workload = &w
	return nil
}

func (c *Change) runtimes(p *TimedParams) error {
	by, ok := scale(c.one())
	if !ok {
		return c.wrong("names no scale")
	}
	w := *p.Workload
	w.Jobs = slices.Clone(w.Jobs)
	for i := range w.Jobs {
		if w.Jobs[i].Run > 0 {
			w.Jobs[i].Run = time.Duration(float64(w.Jobs[i].Run) * by)
		}
	}
	p.Workload = &w
	return nil
}

// addNodes adds nodes like one of the fleet.
func (c *Change) addNodes(p *TimedParams) error {
	if len(c.words) != 4 || !strings.HasPrefix(c.words[1], "node") || c.words[2] != "like" {
		return c.wrong("is not in its form")
	}
	n, err := strconv.Atoi(c.words[0])
	if err != nil || n < 1 || n > maxNewNodes {
		return c.wrong("adds no number of nodes from 1 to 20,000")
	}
	at := slices.IndexFunc(p.Fleet.Nodes, func(x fleet.Node) bool { return string(x.ID) == c.words[3] })
	if at < 0 {
		return c.wrong("names a node that the fleet does not have")
	}
	f := *p.Fleet
	f.Nodes = slices.Clone(f.Nodes)
	p.Power, p.Rank = slices.Clone(p.Power), nil
	for i := range n {
		x := f.Nodes[at]
		x.ID = fleet.NodeID(fmt.Sprintf("%s+%d", x.ID, i+1))
		x.Devices = slices.Clone(x.Devices)
		f.Nodes = append(f.Nodes, x)
		if p.Power != nil {
			p.Power = append(p.Power, p.Power[at])
		}
	}
	p.Fleet = &f
	return nil
}

// removeNodes takes the last nodes of the fleet away, or of one model, or one.
func (c *Change) removeNodes(p *TimedParams) error {
	gone := func(*fleet.Node) bool { return true }
	left := 0
	if name, ok := strings.CutPrefix(c.one(), "node="); ok {
		gone, left = func(x *fleet.Node) bool { return string(x.ID) == name }, 1
	} else {
		if len(c.words) < 2 || len(c.words) > 3 || !strings.HasPrefix(c.words[1], "node") {
			return c.wrong("is not in its form")
		}
		n, err := strconv.Atoi(c.words[0])
		if err != nil || n < 1 {
			return c.wrong("removes no number of nodes")
		}
		left = n
		if len(c.words) == 3 {
			model, ok := strings.CutPrefix(c.words[2], "model=")
			if !ok {
				return c.wrong("is not in its form")
			}
			gone = func(x *fleet.Node) bool { return string(x.Model) == model }
		}
	}
	f := *p.Fleet
	f.Nodes = nil
	var power []energy.NodeModel
	for i := range slices.Backward(p.Fleet.Nodes) {
		x := &p.Fleet.Nodes[i]
		if left > 0 && gone(x) {
			left--
			continue
		}
		f.Nodes = append(f.Nodes, *x)
		if p.Power != nil {
			power = append(power, p.Power[i])
		}
	}
	if left > 0 || len(f.Nodes) == 0 {
		return c.wrong("removes more nodes than there are")
	}
	slices.Reverse(f.Nodes)
	slices.Reverse(power)
	p.Fleet, p.Power, p.Rank = &f, power, nil
	stays := map[fleet.NodeID]bool{}
	for i := range f.Nodes {
		stays[f.Nodes[i].ID] = true
	}
	p.Hours = maps.Clone(p.Hours)
	maps.DeleteFunc(p.Hours, func(site string, _ []energy.SiteHour) bool {
		return !slices.ContainsFunc(f.Nodes, func(n fleet.Node) bool { return n.Place.Site == site })
	})
	p.Events = slices.DeleteFunc(slices.Clone(p.Events), func(e NodeEvent) bool { return !stays[e.Node] })
	return nil
}

// quota changes what a queue is guaranteed.
func (c *Change) quota(p *TimedParams) error {
	if p.Queueing == nil {
		return c.wrong("changes a queue, and none is declared")
	}
	if len(c.words) < 2 {
		return c.wrong("is not in its form")
	}
	name, ok := strings.CutPrefix(c.words[0], "queue=")
	q := *p.Queueing
	q.Queues = slices.Clone(q.Queues)
	at := slices.IndexFunc(q.Queues, func(r job.QueueRule) bool { return string(r.Name) == name })
	if !ok || at < 0 {
		return c.wrong("names no declared queue")
	}
	r := &q.Queues[at]
	r.Guaranteed = slices.Clone(r.Guaranteed)
	for _, word := range c.words[1:] {
		resource, amount, _ := strings.Cut(word, "=")
		v, err := fleet.Amount(resource, amount)
		if err != nil {
			return fault.Wrap(err, "change "+strconv.Quote(c.Text), "read the amount")
		}
		k := slices.IndexFunc(r.Guaranteed, func(a job.Amount) bool { return a.Resource == resource })
		if k < 0 {
			k, r.Guaranteed = len(r.Guaranteed), append(r.Guaranteed, job.Amount{Resource: resource})
		}
		r.Guaranteed[k].Units = v
	}
	slices.SortFunc(r.Guaranteed, func(a, b job.Amount) int { return strings.Compare(a.Resource, b.Resource) })
	p.Queueing = &q
	return nil
}
