package sched

import (
	"math/bits"
	"slices"

	"tianfu/fault"
	"tianfu/fleet"
	"tianfu/unit"
)

// Policy ranks the nodes that a task fits. A policy is pure: equal arguments,
// equal answers; what it has learnt changes only in Observe.
type Policy interface {
	// Key scores placing a task of shape s on node n, where it fits. A larger
	// key is better, unless the policy is a Chooser. It may depend on the node
	// and the shape alone, for keys are kept until the node changes.
	Key(c *Capacity, n int32, s *Shape) int64
	// Devices returns the devices of node n that the task takes, as a set.
	Devices(c *Capacity, n int32, s *Shape) uint16
}

// Chooser is a policy whose final score depends on more than the node: on the
// other feasible nodes or on the load. Scores turns the distinct keys of the
// feasible nodes into scores, larger is better, equal ones tie.
type Chooser interface {
	Policy
	Scores(c *Capacity, s *Shape, keys, scores []int64)
}

// Learner is a policy that learns from arrivals. Observe is called once for
// every task submitted, as part of the fold; it returns true when tables
// behind Key have changed.
type Learner interface {
	Policy
	Observe(c *Capacity, a Ask) bool
}

// sampler is a policy that draws a feasible node instead of ranking.
type sampler interface {
	Policy
	// draw returns a number for a task; the feasible node with that index,
	// modulo their count, is taken.
	draw(t *task) uint64
}

// TypicalClass is one class of the target workload of a peer policy and of the
// fragmentation metric (FGD, USENIX ATC 2023, section 3).
type TypicalClass struct {
	CPU    unit.MilliCPU
	Share  unit.Milli
	Count  int
	Models []fleet.Model // accepted; empty = any
	Weight int64         // tasks of the class
}

// Config is what a policy may be built from.
type Config struct {
	Typical []TypicalClass // for fgd and pwr+fgd only
	Seed    uint64         // for random only
}

// firstDevices returns the lowest devices that fit: whole ones for whole
// requests, the first with enough left for a share.
func (c *Capacity) firstDevices(n int32, s *Shape) uint16 {
	nd := &c.nodes[n]
	if s.Profile != 0 {
		return c.partitionFit(n, s)
	}
	var set uint16
	left := int(s.Count)
	for i := 0; left > 0; i++ {
		if nd.usable(i) >= s.Share {
			set |= 1 << i
			left--
		}
	}
	return set
}

// tightDevices returns the lowest free devices for whole requests and for a
// share the device with the least left that fits, lowest index first.
func (c *Capacity) tightDevices(n int32, s *Shape) uint16 {
	if s.Count != 1 || s.Share == int16(unit.Whole) || s.Profile != 0 {
		return c.firstDevices(n, s)
	}
	nd := &c.nodes[n]
	best, least := -1, int16(unit.Whole)+1
	for i := range int(nd.devices) {
		if g := nd.usable(i); g >= s.Share && g < least {
			best, least = i, g
		}
	}
	return 1 << best
}

// New returns the policy of a name: a peer, or one of our own.
func New(name string, c *Capacity, cfg Config) (Policy, error) {
	base, args, err := splitName(name)
	if err != nil {
		return nil, err
	}
	for i := range policies {
		if p := &policies[i]; p.name == base {
			if len(args) != 0 && len(args) != p.args {
				return nil, fault.New(fault.Invalid, "policy "+name,
					"wrong number of parameters", "write it as "+p.usage)
			}
			return p.make(c, cfg, args), nil
		}
	}
	return nil, fault.New(fault.Invalid, "policy "+name, "no such policy", "known: "+join(Names()))
}

// Names lists the policies, as New knows them.
func Names() []string {
	var out []string
	for i := range policies {
		out = append(out, policies[i].usage)
	}
	slices.Sort(out)
	return out
}

// lowest returns the lowest n members of a device set.
func lowest(set uint16, n int) uint16 {
	for bits.OnesCount16(set) > n {
		set &^= 1 << (15 - bits.LeadingZeros16(set))
	}
	return set
}
