package bolt

import (
	"encoding/binary"
	"fmt"
	"slices"
)

// inspection is what a look at every page of a file gave.
type inspection struct {
	format  int // 0 = damaged or an empty file
	empty   bool
	span    span   // as the file says
	records uint64 // that are whole
	runs    []span // of whole records, in order
	damage  []Damage
	after   []found // records of a commit whose mark is torn, in order
}

const maxDamage = 1000 // findings that are kept

func (x *inspection) found(d Damage) {
	if len(x.damage) < maxDamage {
		x.damage = append(x.damage, d)
	}
}

// note enters a whole record into the runs.
func (x *inspection) note(seq uint64) {
	x.records++
	if n := len(x.runs); n > 0 && x.runs[n-1].last+1 == seq {
		x.runs[n-1].last = seq
		return
	}
	x.runs = append(x.runs, span{seq, seq})
}

// inspect looks at every page that is in use: the shape of the tree, the sum of
// every record, that none is missing, and that the end is the end. each, where
// given, gets the whole records in order.
func (p *pages) inspect(each func(seq uint64, record []byte) error) (*inspection, error) {
	x := &inspection{}
	buckets := map[string][]byte{}
	var failed error
	p.walk(p.meta.root, nil, nil, 0, &walker{found: x.found, visit: func(g *page, flags uint32, key, value []byte) {
		if flags != bucketLeaf || len(value) < headerSize || len(buckets) > 2 {
			x.found(Damage{Offset: g.at, What: "the root holds something that is no bucket"})
			return
		}
		buckets[string(key)] = value
	}})
	if len(x.damage) == 0 && len(buckets) == 0 {
		x.empty = true
		return x, nil
	}
	p.inspectMeta(x, buckets[string(metaBucket)])
	records, ok := buckets[string(recordBucket)]
	if !ok || len(buckets) != 2 {
		x.found(Damage{Offset: -1, What: fmt.Sprintf("the root should hold the buckets meta and records, and holds %d that are not both", len(buckets))})
	}
	if ok && x.format > 0 {
		p.bucket(records, &walker{found: x.found, visit: func(g *page, flags uint32, key, value []byte) {
			record := x.visit(g, flags, key, value)
			if record != nil && each != nil && failed == nil {
				failed = each(binary.BigEndian.Uint64(key), record)
			}
		}})
	}
	x.checkRuns()
	p.inspectFreelist(x)
	if p.torn && x.format > 0 && failed == nil {
		all := p.scan(x.span.last+1, x.format)
		if x.after = all.following(x.span.last); all[x.span.last+1].twice {
			x.found(Damage{Record: x.span.last + 1, Offset: 0, What: "the commit mark is torn, and two records that differ could be the next"})
		}
	}
	return x, failed
}

// bucket walks a bucket, which small ones carry in their own value.
func (p *pages) bucket(value []byte, w *walker) {
	root := order.Uint64(value)
	if root != 0 {
		p.walk(root, nil, nil, 1, w)
		return
	}
	inline := slices.Clone(value[16:])
	if len(inline) < headerSize {
		w.found(Damage{Offset: -1, What: "a bucket of the root is cut short"})
		return
	}
	g := &page{at: -1, flags: order.Uint16(inline[8:]), count: int(order.Uint16(inline[10:])), data: inline}
	if g.flags != leafPage {
		w.found(Damage{Offset: -1, What: "a bucket of the root is not a leaf"})
		return
	}
	if d := walkLeaf(g, bounds{}, w); d != nil {
		w.found(*d)
	}
}

func (p *pages) inspectMeta(x *inspection, bucket []byte) {
	if bucket == nil {
		x.found(Damage{Offset: -1, What: "the root holds no bucket meta"})
		return
	}
	var spanned bool
	p.bucket(bucket, &walker{found: x.found, visit: func(_ *page, _ uint32, key, value []byte) {
		switch string(key) {
		case string(formatKey):
			x.format = readFormat(value)
		case string(spanKey):
			x.span, spanned = readSpan(value)
		}
	}})
	if x.format == 0 {
		x.found(Damage{Offset: -1, What: "the format of the file is not written as it should be"})
	}
	if x.format == Format && !spanned {
		x.found(Damage{Offset: -1, What: "the first and last record are not written as they should be"})
	}
}

// visit checks one record and returns it where it is whole.
func (x *inspection) visit(g *page, flags uint32, key, value []byte) []byte {
	if flags != 0 || len(key) != 8 {
		x.found(Damage{Offset: g.at, What: "an entry among the records is none"})
		return nil
	}
	seq := binary.BigEndian.Uint64(key)
	record, _, ok := readRecord(key, value, x.format)
	if !ok {
		x.found(Damage{Record: seq, Offset: g.at, What: "its checksum does not fit"})
		return nil
	}
	x.note(seq)
	return record
}

// checkRuns tells of records that are missing.
func (x *inspection) checkRuns() {
	want := x.span
	if x.format == 1 {
		want = span{1, 0}
		if n := len(x.runs); n > 0 {
			want.last = x.runs[n-1].last
		}
		x.span = want
	}
	next := want.first
	for _, r := range x.runs {
		if r.first > next {
			x.found(Damage{Record: next, Offset: -1, What: fmt.Sprintf("records %d to %d are missing", next, r.first-1)})
		}
		next = r.last + 1
	}
	if x.format > 0 && next != want.last+1 && len(x.damage) < maxDamage {
		x.found(Damage{Record: next, Offset: -1, What: fmt.Sprintf("the records end at %d and should end at %d", next-1, want.last)})
	}
}

// inspectFreelist checks that no page in use is listed as free; only a file
// that is new or of format 1 has a list.
func (p *pages) inspectFreelist(x *inspection) {
	if p.meta.freelist == noFreelist {
		return
	}
	g, d := p.read(p.meta.freelist)
	if d == nil && g.flags != freelistPage {
		d = &Damage{Offset: g.at, What: "the list of free pages is none"}
	}
	if d == nil {
		d = p.reach(g)
	}
	if d != nil {
		x.found(*d)
		return
	}
	n, list := uint64(g.count), g.data[headerSize:]
	if n == 0xFFFF && len(list) >= 8 {
		n, list = order.Uint64(list), list[8:]
	}
	for i := range n {
		b, ok := slice(list, i*8, 8)
		if !ok {
			x.found(Damage{Offset: g.at, What: "the list of free pages is cut short"})
			return
		}
		if id := order.Uint64(b); id < 2 || id >= p.meta.high || id/64 < uint64(len(p.used)) && p.used[id/64]>>(id%64)&1 != 0 {
			x.found(Damage{Offset: g.at, What: fmt.Sprintf("page %d is in use and listed as free", id)})
			return
		}
	}
}
