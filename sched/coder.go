package sched

import (
	"bufio"
	"cmp"
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"

	"tianfu/fault"
)

// Coder writes values of a snapshot or reads them back. One function codes a
// type in both directions, so what is written and what is read cannot differ:
//
//	func (x *T) code(c *Coder) {
//		Int(c, &x.field)
//		...
//	}
//
// A field that came with a later version is coded only where c.Version is at
// least that version. After the first failure everything reads as zero.
type Coder struct {
	Version uint64
	w       io.Writer // nil when reading
	r       *bufio.Reader
	err     error
	scratch [binary.MaxVarintLen64]byte
}

// NewEncoder returns a coder that writes; NewDecoder one that reads.
func NewEncoder(w io.Writer, version uint64) *Coder { return &Coder{w: w, Version: version} }

// NewDecoder returns a coder that reads. The version is read by the caller.
func NewDecoder(r *bufio.Reader) *Coder { return &Coder{r: r} }

// Reading tells the direction.
func (c *Coder) Reading() bool { return c.w == nil }

// Err returns the first failure.
func (c *Coder) Err() error { return c.err }

// Fail notes that what was read cannot be.
func (c *Coder) Fail(format string, args ...any) {
	if c.err == nil {
		c.err = fault.New(fault.Invalid, "snapshot", fmt.Sprintf(format, args...), "the records before it are still the truth")
	}
}

func (c *Coder) failed(err error) {
	if c.err == nil {
		c.err = &fault.Error{Kind: fault.Unavailable, Where: "snapshot", What: "write or read", Err: err}
	}
}

func (c *Coder) write(b []byte) {
	if c.err != nil {
		return
	}
	if _, err := c.w.Write(b); err != nil {
		c.failed(err)
	}
}

// Uvarint codes a number.
func (c *Coder) Uvarint(v *uint64) {
	if !c.Reading() {
		c.write(binary.AppendUvarint(c.scratch[:0], *v))
		return
	}
	*v = 0
	if c.err != nil {
		return
	}
	n, err := binary.ReadUvarint(c.r)
	if err != nil {
		c.failed(err)
		return
	}
	*v = n
}

type integer interface {
	~int | ~int8 | ~int16 | ~int32 | ~int64 | ~uint8 | ~uint16 | ~uint32 | ~uint64
}

// Int codes an integer of any size; where it may be negative, small ones of
// either sign are short.
func Int[T integer](c *Coder, v *T) {
	signed := ^T(0) < 0
	n := uint64(*v)
	if signed {
		n = uint64(int64(*v))<<1 ^ uint64(int64(*v)>>63)
	}
	c.Uvarint(&n)
	if !c.Reading() {
		return
	}
	if signed {
		m := int64(n>>1) ^ -int64(n&1)
		if *v = T(m); int64(*v) != m {
			c.Fail("%d is too large for where it stands", m)
		}
		return
	}
	if *v = T(n); uint64(*v) != n {
		c.Fail("%d is too large for where it stands", n)
	}
}

// Bool codes a truth value.
func (c *Coder) Bool(v *bool) {
	var n uint8
	if *v {
		n = 1
	}
	if Int(c, &n); c.Reading() {
		*v = n == 1
	}
}

// Float codes a number by its bits.
func (c *Coder) Float(v *float64) {
	n := math.Float64bits(*v)
	if c.Uvarint(&n); c.Reading() {
		*v = math.Float64frombits(n)
	}
}

// maxText bounds one text or block of bytes.
const maxText = 64 << 20

// Bytes codes a block of bytes.
func (c *Coder) Bytes(v *[]byte) {
	n := uint64(len(*v))
	c.Uvarint(&n)
	if !c.Reading() {
		c.write(*v)
		return
	}
	if n > maxText {
		c.Fail("%d bytes in one piece", n)
	}
	if *v = nil; n == 0 || c.err != nil {
		return
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(c.r, b); err != nil {
		c.failed(err)
		return
	}
	*v = b
}

// Text codes a string of any name.
func Text[T ~string](c *Coder, v *T) {
	b := []byte(*v)
	if c.Bytes(&b); c.Reading() {
		*v = T(b)
	}
}

// List codes a slice; what it holds is coded by each. One that is nil comes
// back as nil.
func List[T any](c *Coder, list *[]T, each func(*T)) {
	n := uint64(len(*list))
	c.Uvarint(&n)
	if !c.Reading() {
		for i := range *list {
			each(&(*list)[i])
		}
		return
	}
	*list = nil
	if n > math.MaxInt32 {
		c.Fail("a list of %d", n)
	}
	if n == 0 || c.err != nil {
		return
	}
	*list = make([]T, 0, min(n, 1<<16)) // the length is not to be trusted with memory
	for i := uint64(0); i < n && c.err == nil; i++ {
		var v T
		each(&v)
		*list = append(*list, v)
	}
}

// Map codes a map in the order of its keys; each codes one entry.
func Map[K cmp.Ordered, V any](c *Coder, m map[K]V, each func(*K, *V)) {
	keys := slices.Sorted(maps.Keys(m))
	n := uint64(len(keys))
	c.Uvarint(&n)
	if !c.Reading() {
		for _, k := range keys {
			v := m[k]
			each(&k, &v)
		}
		return
	}
	clear(m)
	for ; n > 0 && c.err == nil; n-- {
		var k K
		var v V
		each(&k, &v)
		m[k] = v
	}
}

// Section codes a mark between the parts of a snapshot, so that two versions
// that disagree about a part fail where it is and not far behind.
func (c *Coder) Section(name string) {
	got := name
	Text(c, &got)
	if c.err == nil && got != name {
		c.Fail("the part %q is not where it should be", name)
	}
}
