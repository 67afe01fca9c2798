package sched

import (
	"math/bits"
	"time"

	"tianfu/energy"
	"tianfu/fleet"
	"tianfu/job"
	"tianfu/unit"
)

// AllocID indexes the running allocations of a Capacity.
type AllocID int32

// Alloc is a fact: devices, CPU and memory of one node granted to a task.
type Alloc struct {
	Job         job.ID
	Task        int32
	Attempt     int32
	Node        int32 // rank
	CPU, Memory int32
	Devices     uint16 // set of device indexes
	Share       int16  // milli of each device
	Profile     int16
	Tenant      int16
	Priority    int32
	Preemptible bool
	Gang        bool  // its job leaves whole
	Queue       int16 // number of its queue; 0 = none
	Evicting    bool  // told to leave, not gone yet
	Start, End  unit.Instant
	Shape       ShapeID
	// Suspended work keeps what it holds and draws nothing, for the sake of the
	// power of area For; Left is what it had left to run, below 0 = unknown.
	Suspended bool
	For       int32
	Left      time.Duration
}

// Milli returns the accelerator capacity held.
func (a *Alloc) Milli() int32 { return int32(a.Share) * int32(bits.OnesCount16(a.Devices)) }

// node is what is left of one node: 64 bytes, one cache line.
type node struct {
	cpu, mem int32
	sum      int32 // free milli over usable devices
	room     int32 // tasks that may still start
	dev      [fleet.MaxDevices]int16
	most     int16  // largest free share of one device
	free     uint8  // usable devices wholly free
	devices  uint8  // devices in the node
	model    uint8  // model index; noModel without devices
	blocked  Cause  // why it takes no work; None when open
	parted   uint16 // devices in hardware partitions
	hidden   uint16 // devices that take no work: failed or cordoned
	kind     uint16
}

const noModel = fleet.MaxModels // shifts out of the accepted set

// Kind is what nodes of one make have in common.
type Kind struct {
	CPU, Memory int32
	Tasks       int32 // the most at one time
	Devices     uint8
	Model       uint8
	Power       energy.NodeModel
}

// anyTasks is the bound of a node that has none: more than fit by the least a task
// may ask for.
const anyTasks = 1 << 20

// Capacity is what the fleet has left and who holds the rest. Nodes are
// numbered by rank. It is changed only by the fold of records and, within a
// cycle, by proposals that are taken back; policies read it.
type Capacity struct {
	nodes  []node
	kinds  []Kind
	specs  []fleet.Node // as declared, by rank
	models []fleet.Model
	traits map[fleet.Model]fleet.Traits

	modelIndex map[fleet.Model]uint8
	shapeIDs   map[shapeKey]ShapeID
	shapes     []Shape
	profiles   []profile

	allocs  []Alloc
	unused  []AllocID
	onNode  [][]AllocID
	domains [fleet.NumLevels]domainTable

	total, used           Totals
	modelFree, modelTotal [noModel + 1]int64 // milli, by model index
	devices               int32              // usable or not
	freed                 uint64             // counts releases: what did not fit cannot fit until it moves
	changes               changeLog
	ends                  endOrder
	largest               map[shapeKey]int32
	rooms                 map[roomKey]int32
	windows               int         // nodes with maintenance windows
	booked                [][]booked  // by node; nil without reservations of whole nodes
	parts                 [][]portion // by node; nil without reservations of portions
	preemptible           int         // running allocations that may be preempted
	power                 *powerTree  // nil = power is not limited
}

// Totals are amounts of the three resources.
type Totals struct {
	CPU, Memory, Milli int64
}

// NewCapacity returns the empty capacity of a fleet. rank[i] is the rank of
// node i; nil means declaration order. power has one model per node or is nil.
func NewCapacity(f *fleet.Fleet, rank []int32, power []energy.NodeModel) *Capacity {
	n := len(f.Nodes)
	c := &Capacity{
		nodes: make([]node, n), specs: make([]fleet.Node, n), onNode: make([][]AllocID, n),
		traits: f.Traits, modelIndex: map[fleet.Model]uint8{}, shapeIDs: map[shapeKey]ShapeID{},
		largest: map[shapeKey]int32{}, rooms: map[roomKey]int32{},
	}
	c.changes.last = make([]int, n)
	type kindKey struct {
		cpu, mem int32
		tasks    int32
		devices  int
		model    uint8
		power    energy.NodeModel
	}
	kinds := map[kindKey]uint16{}
	for i := range f.Nodes {
		r := int32(i)
		if rank != nil {
			r = rank[i]
		}
		fn := &f.Nodes[i]
		c.specs[r] = *fn
		k := kindKey{cpu: int32(fn.CPU), mem: int32(fn.Memory), tasks: anyTasks, devices: len(fn.Devices), model: noModel}
		if fn.Tasks > 0 {
			k.tasks = int32(fn.Tasks)
		}
		if k.devices > 0 {
			k.model = c.internModel(fn.Model)
		}
		if power != nil {
			k.power = power[i]
		}
		id, ok := kinds[k]
		if !ok {
			id = uint16(len(c.kinds))
			kinds[k] = id
			c.kinds = append(c.kinds, Kind{CPU: k.cpu, Memory: k.mem, Tasks: k.tasks, Devices: uint8(k.devices), Model: k.model, Power: k.power})
		}
		c.nodes[r] = node{kind: id}
		c.modelTotal[k.model] += int64(k.devices) * int64(unit.Whole)
		c.total.CPU += int64(fn.CPU)
		c.total.Memory += int64(fn.Memory)
		c.total.Milli += int64(k.devices) * int64(unit.Whole)
	}
	c.internProfiles()
	for r := range c.nodes {
		c.refresh(int32(r))
		if len(c.specs[r].Maintenance) > 0 {
			c.windows++
		}
	}
	c.devices = int32(c.total.Milli / int64(unit.Whole))
	return c
}

func (c *Capacity) internModel(m fleet.Model) uint8 {
	i, ok := c.modelIndex[m]
	if !ok {
		i = uint8(len(c.models))
		c.modelIndex[m] = i
		c.models = append(c.models, m)
	}
	return i
}

// refresh works out what is left of node n from what is declared and what runs
// on it; used when health or cordon changes.
func (c *Capacity) refresh(n int32) {
	nd, spec := &c.nodes[n], &c.specs[n]
	k := &c.kinds[nd.kind]
	before := int64(nd.sum)
	*nd = node{kind: nd.kind, cpu: k.CPU, mem: k.Memory, room: k.Tasks, devices: k.Devices, model: k.Model}
	switch {
	case spec.Health == fleet.Failed:
		nd.blocked = Unhealthy
	case spec.Cordoned || spec.Drain || spec.Health != fleet.Healthy:
		nd.blocked = Cordoned
	case spec.ShortOfDisk:
		nd.blocked = NoDisk
	case c.power != nil && c.power.nodes[n].state != Awake:
		nd.blocked = NodeAsleep
	}
	for i, d := range spec.Devices {
		nd.dev[i] = int16(unit.Whole)
		if d.Cordoned || d.Health != fleet.Healthy {
			nd.hidden |= 1 << i
		}
	}
	for _, id := range c.onNode[n] {
		nd.take(&c.allocs[id])
	}
	nd.summarise()
	c.modelFree[nd.model] += int64(nd.sum) - before
	c.freed++
	c.changes.touch(n)
	if c.power != nil {
		c.updatePower(n)
	}
}

func (nd *node) take(a *Alloc) {
	nd.cpu -= a.CPU
	nd.mem -= a.Memory
	nd.room--
	for m := a.Devices; m != 0; m &= m - 1 {
		i := bits.TrailingZeros16(m)
		if a.Profile != 0 {
			nd.parted |= 1 << i
			continue
		}
		nd.dev[i] -= a.Share
	}
}

// summarise recomputes sum, most and free from the devices.
func (nd *node) summarise() {
	var sum int32
	var most int16
	var free uint8
	gone := nd.hidden | nd.parted
	for i := range nd.dev[:nd.devices] {
		if gone>>i&1 != 0 {
			continue
		}
		g := nd.dev[i]
		sum += int32(g)
		most = max(most, g)
		if g == int16(unit.Whole) {
			free++
		}
	}
	nd.sum, nd.most, nd.free = sum, most, free
}

// usable returns what device i offers to shares and whole requests.
func (nd *node) usable(i int) int16 {
	if (nd.hidden|nd.parted)>>i&1 != 0 {
		return 0
	}
	return nd.dev[i]
}

// add grants an allocation and returns its number.
func (c *Capacity) add(a Alloc) AllocID {
	var id AllocID
	if k := len(c.unused); k > 0 {
		id = c.unused[k-1]
		c.unused = c.unused[:k-1]
		c.allocs[id] = a
	} else {
		id = AllocID(len(c.allocs))
		c.allocs = append(c.allocs, a)
	}
	c.onNode[a.Node] = append(c.onNode[a.Node], id)
	nd := &c.nodes[a.Node]
	nd.take(&a)
	before := nd.sum
	nd.summarise()
	c.modelFree[nd.model] += int64(nd.sum - before)
	c.used.CPU += int64(a.CPU)
	c.used.Memory += int64(a.Memory)
	c.used.Milli += int64(a.Milli())
	if a.Preemptible {
		c.preemptible++
	}
	c.ends.add(a.End, id, &a)
	c.changes.touch(a.Node)
	if c.power != nil {
		c.stands(id)
		c.updatePower(a.Node)
	}
	return id
}

// remove takes an allocation back. The order of the others on the node stays.
func (c *Capacity) remove(id AllocID) {
	a := &c.allocs[id]
	if c.power != nil {
		c.moves(id)
	}
	list := c.onNode[a.Node]
	for i := range list {
		if list[i] == id {
			c.onNode[a.Node] = append(list[:i], list[i+1:]...)
			break
		}
	}
	nd := &c.nodes[a.Node]
	nd.cpu += a.CPU
	nd.mem += a.Memory
	nd.room++
	for m := a.Devices; m != 0; m &= m - 1 {
		i := bits.TrailingZeros16(m)
		if a.Profile == 0 {
			nd.dev[i] += a.Share
		} else if !c.partitioned(a.Node, i) {
			nd.parted &^= 1 << i
		}
	}
	before := nd.sum
	nd.summarise()
	c.modelFree[nd.model] += int64(nd.sum - before)
	c.used.CPU -= int64(a.CPU)
	c.used.Memory -= int64(a.Memory)
	c.used.Milli -= int64(a.Milli())
	if a.Preemptible {
		c.preemptible--
	}
	c.ends.remove(a.End, a)
	a.Job = 0
	c.unused = append(c.unused, id)
	c.freed++
	c.changes.touch(a.Node)
	if c.power != nil {
		c.updatePower(a.Node)
	}
}

// partitioned reports whether device i of node n still holds a partition.
func (c *Capacity) partitioned(n int32, i int) bool {
	for _, id := range c.onNode[n] {
		if a := &c.allocs[id]; a.Profile != 0 && a.Devices>>i&1 != 0 {
			return true
		}
	}
	return false
}

// changeLog lists nodes in the order they changed, so that every shape's
// scores can catch up when they are next asked for.
type changeLog struct {
	log  []int32
	base int   // position of log[0]
	last []int // position of each node's latest change, plus one
}

func (l *changeLog) touch(n int32) {
	if len(l.log) >= 4*len(l.last)+1024 {
		// Whoever lags more than two entries a node rebuilds instead.
		keep := len(l.log) - 2*len(l.last)
		l.base += keep
		l.log = append(l.log[:0], l.log[keep:]...)
	}
	l.log = append(l.log, n)
	l.last[n] = l.base + len(l.log)
}

func (l *changeLog) end() int { return l.base + len(l.log) }
