package bolt

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"io"
	"os"

	"tianfu/fault"
)

// This file reads the pages of a bbolt file (version 2 of its format) without
// bbolt, which trusts what it maps: it has no sums on its data pages, and a
// damaged one can end the process. So every page is looked at here before bbolt
// may see it.

const (
	boltMagic    = 0xED0CDAED
	boltVersion  = 2
	headerSize   = 16
	elementSize  = 16
	metaSize     = 64
	branchPage   = 0x01
	leafPage     = 0x02
	metaPage     = 0x04
	freelistPage = 0x10
	bucketLeaf   = 0x01
	noFreelist   = ^uint64(0)
	maxDepth     = 32
	maxPageBytes = MaxPageBytes
)

// MaxPageBytes bounds what one page with its overflow may hold: the largest
// record and room for others.
const MaxPageBytes = 2*(64<<20) + 1<<20

var order = binary.NativeEndian // bbolt writes as the machine does

// Damage is one finding: where the file is not what was written.
type Damage struct {
	Record uint64 `json:"record,omitempty"` // 0 = no one record
	Offset int64  `json:"offset"`           // bytes from the start of the file; -1 = nowhere in it
	What   string `json:"what"`
}

func (d Damage) String() string {
	where := fmt.Sprintf("byte %d", d.Offset)
	if d.Offset < 0 {
		where = "the file"
	}
	if d.Record > 0 {
		where = fmt.Sprintf("record %d, %s", d.Record, where)
	}
	return where + ": " + d.What
}

// meta is one of the two commit marks at the head of the file.
type meta struct {
	pageSize       int
	root, freelist uint64
	high, txid     uint64
	page           int // 0 or 1
}

// pages reads a file page by page.
type pages struct {
	f    *os.File
	size int64
	meta meta
	// torn is true when one of the two marks does not hold: the commit that it
	// stood for is then found, if at all, by looking at every page.
	torn bool
	used []uint64 // set of pages reached
}

// openPages reads the marks. Neither whole is Invalid.
func openPages(name string) (*pages, error) {
	f, err := os.Open(name)
	if err != nil {
		kind := fault.Unavailable
		if os.IsNotExist(err) {
			kind = fault.NotFound
		}
		return nil, &fault.Error{Kind: kind, Where: name, What: "open the record log", Err: err}
	}
	st, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, &fault.Error{Kind: fault.Unavailable, Where: name, What: "look at the record log", Err: err}
	}
	p := &pages{f: f, size: st.Size()}
	first, ok0 := p.readMeta(0, 0)
	size := os.Getpagesize()
	if ok0 {
		size = first.pageSize
	}
	second, ok1 := p.readMeta(1, int64(size))
	switch {
	case ok0 && (!ok1 || first.txid > second.txid):
		p.meta = first
	case ok1:
		p.meta = second
	default:
		p.meta = meta{pageSize: size}
		return p, damaged(name, Damage{What: "neither commit mark is whole"})
	}
	p.torn = !ok0 || !ok1
	if want := min(p.meta.high, uint64(p.size)/uint64(p.meta.pageSize)); want > 0 {
		p.used = make([]uint64, want/64+1)
	}
	return p, nil
}

func (p *pages) Close() { p.f.Close() }

func (p *pages) readMeta(page int, at int64) (meta, bool) {
	b := make([]byte, headerSize+metaSize)
	if _, err := p.f.ReadAt(b, at); err != nil {
		return meta{}, false
	}
	b = b[headerSize:]
	h := fnv.New64a()
	h.Write(b[:metaSize-8])
	m := meta{page: page, pageSize: int(order.Uint32(b[8:])), root: order.Uint64(b[16:]), freelist: order.Uint64(b[32:]), high: order.Uint64(b[40:]), txid: order.Uint64(b[48:])}
	ok := order.Uint32(b) == boltMagic && order.Uint32(b[4:]) == boltVersion && order.Uint64(b[56:]) == h.Sum64() &&
		m.pageSize >= 512 && m.pageSize <= 1<<20 && m.high >= 2 && m.high < 1<<48
	return m, ok
}

// page is one page with its overflow.
type page struct {
	id    uint64
	at    int64
	flags uint16
	count int
	data  []byte
}

// read reads a page that something points to.
func (p *pages) read(id uint64) (*page, *Damage) {
	at := int64(id) * int64(p.meta.pageSize)
	bad := func(format string, args ...any) (*page, *Damage) {
		return nil, &Damage{Offset: at, What: fmt.Sprintf(format, args...)}
	}
	if id < 2 || id >= p.meta.high {
		return nil, &Damage{Offset: -1, What: fmt.Sprintf("page %d is pointed to and lies outside the file", id)}
	}
	head := make([]byte, headerSize)
	if _, err := p.f.ReadAt(head, at); err != nil {
		return bad("the file ends before page %d", id)
	}
	overflow := uint64(order.Uint32(head[12:]))
	if got := order.Uint64(head); got != id {
		return bad("page %d calls itself %d", id, got)
	}
	n := (overflow + 1) * uint64(p.meta.pageSize)
	if id+overflow >= p.meta.high || n > maxPageBytes {
		return bad("page %d runs on for %d pages", id, overflow)
	}
	g := &page{id: id, at: at, flags: order.Uint16(head[8:]), count: int(order.Uint16(head[10:])), data: make([]byte, n)}
	if _, err := p.f.ReadAt(g.data, at); err != nil && err != io.EOF || err == io.EOF && p.size < at+int64(n) {
		return bad("the file ends within page %d", id)
	}
	return g, nil
}

// reach marks a page as used; twice is damage.
func (p *pages) reach(g *page) *Damage {
	for id := g.id; id < g.id+uint64(len(g.data)/p.meta.pageSize); id++ {
		if w := id / 64; w >= uint64(len(p.used)) || p.used[w]>>(id%64)&1 != 0 {
			return &Damage{Offset: g.at, What: fmt.Sprintf("page %d is used twice", id)}
		}
		p.used[id/64] |= 1 << (id % 64)
	}
	return nil
}

// slice returns part of a page; false when it would leave it.
func slice(b []byte, at, n uint64) ([]byte, bool) {
	if at > uint64(len(b)) || n > uint64(len(b))-at {
		return nil, false
	}
	return b[at : at+n], true
}

// leaf returns element i of a leaf page.
func leaf(b []byte, i int) (flags uint32, key, value []byte, ok bool) {
	at := uint64(headerSize + i*elementSize)
	e, ok := slice(b, at, elementSize)
	if !ok {
		return 0, nil, nil, false
	}
	k, v := uint64(order.Uint32(e[8:])), uint64(order.Uint32(e[12:]))
	both, ok := slice(b, at+uint64(order.Uint32(e[4:])), k+v)
	if !ok {
		return 0, nil, nil, false
	}
	return order.Uint32(e), both[:k], both[k:], true
}

// branch returns element i of a branch page.
func branch(b []byte, i int) (key []byte, child uint64, ok bool) {
	at := uint64(headerSize + i*elementSize)
	e, ok := slice(b, at, elementSize)
	if !ok {
		return nil, 0, false
	}
	key, ok = slice(b, at+uint64(order.Uint32(e)), uint64(order.Uint32(e[4:])))
	return key, order.Uint64(e[8:]), ok
}

// walk visits the leaves below a page in the order of their keys, which must
// lie from low (inclusive) to high (nil = no bound). What cannot be read is
// told to found, and the walk goes on beside it.
func (p *pages) walk(id uint64, low, high []byte, depth int, w *walker) {
	g, d := p.read(id)
	if d == nil {
		d = p.reach(g)
	}
	switch {
	case d != nil:
	case depth > maxDepth:
		d = &Damage{Offset: g.at, What: "the tree is too deep"}
	case g.flags == branchPage && g.count > 0:
		p.walkBranch(g, bounds{low, high}, depth, w)
	case g.flags == leafPage:
		d = walkLeaf(g, bounds{low, high}, w)
	default:
		d = &Damage{Offset: g.at, What: fmt.Sprintf("page %d is neither branch nor leaf", id)}
	}
	if d != nil {
		w.found(*d)
	}
}

// walker is told what a walk comes upon.
type walker struct {
	visit func(g *page, flags uint32, key, value []byte)
	found func(Damage)
}

type bounds struct{ low, high []byte }

func (b bounds) hold(key []byte) bool {
	return bytes.Compare(key, b.low) >= 0 && (b.high == nil || bytes.Compare(key, b.high) < 0)
}

func (p *pages) walkBranch(g *page, within bounds, depth int, w *walker) {
	for i := range g.count {
		key, child, ok := branch(g.data, i)
		if !ok || !within.hold(key) {
			w.found(Damage{Offset: g.at, What: fmt.Sprintf("entry %d of branch page %d is out of place", i, g.id)})
			return
		}
		low, high := key, within.high
		if i+1 < g.count {
			next, _, ok := branch(g.data, i+1)
			if !ok || bytes.Compare(next, key) <= 0 {
				w.found(Damage{Offset: g.at, What: fmt.Sprintf("entry %d of branch page %d is out of place", i+1, g.id)})
				return
			}
			high = next
		}
		p.walk(child, low, high, depth+1, w)
	}
}

func walkLeaf(g *page, within bounds, w *walker) *Damage {
	var last []byte
	for i := range g.count {
		flags, key, value, ok := leaf(g.data, i)
		if !ok || !within.hold(key) || i > 0 && bytes.Compare(key, last) <= 0 {
			return &Damage{Offset: g.at, What: fmt.Sprintf("entry %d of leaf page %d is out of place", i, g.id)}
		}
		last = key
		w.visit(g, flags, key, value)
	}
	return nil
}
