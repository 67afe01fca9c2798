package sched

// Index keeps, for every shape, each node in a bucket: one bucket for every
// cause that excludes it, one for every key the policy gave it. A placement
// changes one node; a shape catches up with the nodes changed since it was
// last asked for. So a decision costs the changes, not the nodes.
type Index struct {
	cap    *Capacity
	policy Policy
	shapes []*shapeIndex
	keys   []int64 // scratch of pick
	scores []int64
	picked []uint16
}

// shapeIndex is the standing of every node for one shape.
type shapeIndex struct {
	synced  int      // changes seen, as a position in the change log
	bucket  []uint16 // of each node, by rank
	buckets []bucket // the first NumCauses are the excluding ones
	order   []uint16 // scored buckets by falling key
	find    keyTable
	adds    [2]*powerAdds // of work that is not protected and of such that is; nil while power is plenty
}

type bucket struct {
	key   int64
	nodes nodeSet // of excluding buckets only the count is kept
}

// NewIndex returns an empty index of a capacity for a policy.
func NewIndex(c *Capacity, p Policy) *Index { return &Index{cap: c, policy: p} }

// Policy returns the policy the scores come from.
func (x *Index) Policy() Policy { return x.policy }

// reset forgets every score; the policy's tables have changed.
func (x *Index) reset() {
	for _, si := range x.shapes {
		if si != nil {
			si.synced = -1
			for _, a := range si.adds {
				if a != nil {
					a.synced = -1 // the policy may give other devices
				}
			}
		}
	}
}

// sync brings the standing of a shape up to date and returns it.
func (x *Index) sync(id ShapeID) *shapeIndex {
	for int(id) >= len(x.shapes) {
		x.shapes = append(x.shapes, nil)
	}
	si, c := x.shapes[id], x.cap
	log := &c.changes
	if si == nil {
		si = &shapeIndex{synced: -1, bucket: make([]uint16, len(c.nodes))}
		x.shapes[id] = si
	}
	if si.synced == log.end() {
		return si
	}
	s := &c.shapes[id]
	if si.synced < log.base {
		x.rebuild(si, s)
	} else {
		for i := si.synced; i < log.end(); i++ {
			n := log.log[i-log.base]
			if log.last[n] == i+1 { // otherwise a later entry stands for it
				si.move(n, x.standing(si, n, s), len(c.nodes))
			}
		}
	}
	si.synced = log.end()
	return si
}

func (x *Index) rebuild(si *shapeIndex, s *Shape) {
	n := len(x.cap.nodes)
	si.buckets = make([]bucket, NumCauses, NumCauses+16)
	si.order = si.order[:0]
	si.find.clear()
	for i := range si.bucket {
		b := x.standing(si, int32(i), s)
		si.bucket[i] = b
		si.join(int32(i), b, n)
	}
}

// standing returns the bucket where node n belongs, opening one if its key is
// new.
func (x *Index) standing(si *shapeIndex, n int32, s *Shape) uint16 {
	if cause := x.cap.excludes(n, s); cause != None {
		return uint16(cause)
	}
	key := x.policy.Key(x.cap, n, s)
	if b, ok := si.find.get(key); ok {
		return b
	}
	return si.open(key)
}

// open adds a bucket for a new key and keeps the order of buckets.
func (si *shapeIndex) open(key int64) uint16 {
	b := uint16(len(si.buckets))
	si.buckets = append(si.buckets, bucket{key: key})
	si.find.put(key, b)
	i := len(si.order)
	si.order = append(si.order, b)
	for i > 0 && si.buckets[si.order[i-1]].key < key {
		si.order[i] = si.order[i-1]
		i--
	}
	si.order[i] = b
	return b
}

func (si *shapeIndex) move(n int32, to uint16, nodes int) {
	from := si.bucket[n]
	if from == to {
		return
	}
	if from < uint16(NumCauses) {
		si.buckets[from].nodes.count--
	} else {
		si.buckets[from].nodes.remove(n)
	}
	si.bucket[n] = to
	si.join(n, to, nodes)
}

func (si *shapeIndex) join(n int32, to uint16, nodes int) {
	b := &si.buckets[to]
	if to < uint16(NumCauses) {
		b.nodes.count++
		return
	}
	if b.nodes.words == nil {
		b.nodes = newNodeSet(nodes)
	}
	b.nodes.add(n)
}

// excludes returns why node n cannot take a task of the shape now, memory
// aside, or None.
func (c *Capacity) excludes(n int32, s *Shape) Cause {
	nd := &c.nodes[n]
	switch {
	case nd.blocked != None:
		return nd.blocked
	case s.Count > 0 && s.Accept>>nd.model&1 == 0:
		return WrongModel
	case s.Count > 0 && nd.devices == 0:
		return WrongModel
	case s.Profile != 0:
		if c.partitionFit(n, s) == 0 {
			return NoDevices
		}
	case s.Count == 1 && nd.most < s.Share:
		return NoDevices
	case s.Count > 1 && nd.free < uint8(s.Count):
		return NoDevices
	}
	if nd.cpu < s.CPU {
		return NoCPU
	}
	if nd.room < 1 {
		return NodeFull
	}
	return None
}

// keyTable maps keys to buckets: open addressing, no deletion.
type keyTable struct {
	slots []keySlot
	used  int
}

type keySlot struct {
	key    int64
	bucket uint16 // 0 = empty, for bucket 0 is never scored
}

func (t *keyTable) clear() {
	clear(t.slots)
	t.used = 0
}

func (t *keyTable) get(key int64) (uint16, bool) {
	if len(t.slots) == 0 {
		return 0, false
	}
	for i := mix(uint64(key)); ; i++ {
		s := &t.slots[i&uint64(len(t.slots)-1)]
		if s.bucket == 0 {
			return 0, false
		}
		if s.key == key {
			return s.bucket, true
		}
	}
}

func (t *keyTable) put(key int64, b uint16) {
	if 2*(t.used+1) > len(t.slots) {
		old := t.slots
		t.slots = make([]keySlot, max(16, 2*len(old)))
		t.used = 0
		for _, s := range old {
			if s.bucket != 0 {
				t.put(s.key, s.bucket)
			}
		}
	}
	t.used++
	for i := mix(uint64(key)); ; i++ {
		s := &t.slots[i&uint64(len(t.slots)-1)]
		if s.bucket == 0 {
			*s = keySlot{key, b}
			return
		}
	}
}

// mix spreads the bits of a key or seed (the finaliser of SplitMix64; Steele,
// Lea, Flood 2014).
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
