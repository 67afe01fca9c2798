package bolt

import (
	"bytes"
	"encoding/binary"
	"maps"
	"slices"
)

// found is a record that a scan of the whole file came upon.
type found struct {
	seq    uint64
	left   uint32
	record []byte
	twice  bool // two that differ carry the number: neither can be trusted
}

type finds map[uint64]found

// scan looks at every page of the file, in use or not, for whole records from a
// number on. Pages that were left behind hold older copies, which are equal, or
// a commit that never got its mark.
func (p *pages) scan(from uint64, format int) finds {
	out := finds{}
	for id := int64(2); id*int64(p.meta.pageSize) < p.size; id++ {
		b := make([]byte, p.meta.pageSize)
		n, _ := p.f.ReadAt(b, id*int64(p.meta.pageSize))
		b = b[:n]
		if len(b) < headerSize || order.Uint16(b[8:]) != leafPage {
			continue
		}
		if more := uint64(order.Uint32(b[12:])); more > 0 && (more+1)*uint64(p.meta.pageSize) <= maxPageBytes {
			b = make([]byte, min((int64(more)+1)*int64(p.meta.pageSize), p.size-id*int64(p.meta.pageSize)))
			n, _ = p.f.ReadAt(b, id*int64(p.meta.pageSize))
			b = b[:n]
		}
		for i := range int(order.Uint16(b[10:])) {
			flags, key, value, ok := leaf(b, i)
			if ok && flags == bucketLeaf && bytes.Equal(key, recordBucket) && len(value) > 2*headerSize && order.Uint64(value) == 0 {
				inline := slices.Clone(value[16:]) // a small log lies in the root
				for k := range int(order.Uint16(inline[10:])) {
					flags, key, value, ok := leaf(inline, k)
					out.take(from, format, entry{flags, key, value, ok})
				}
				continue
			}
			out.take(from, format, entry{flags, key, value, ok})
		}
	}
	return out
}

type entry struct {
	flags      uint32
	key, value []byte
	ok         bool
}

func (f finds) take(from uint64, format int, e entry) {
	if !e.ok || e.flags != 0 || len(e.key) != 8 || binary.BigEndian.Uint64(e.key) < from {
		return
	}
	record, left, ok := readRecord(e.key, e.value, format)
	if !ok {
		return
	}
	seq := binary.BigEndian.Uint64(e.key)
	if old, there := f[seq]; there {
		old.twice = old.twice || !bytes.Equal(old.record, record) || old.left != left
		f[seq] = old
		return
	}
	f[seq] = found{seq: seq, left: left, record: bytes.Clone(record)}
}

// following returns the whole batches that follow a record without a gap.
func (f finds) following(last uint64) []found {
	var out []found
	whole := 0
	for seq := last + 1; ; seq++ {
		r, ok := f[seq]
		if !ok || r.twice {
			return out[:whole]
		}
		out = append(out, r)
		if r.left == 0 {
			whole = len(out)
		}
	}
}

func (f finds) sorted() []uint64 { return slices.Sorted(maps.Keys(f)) }
