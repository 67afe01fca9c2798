package bolt

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"

	"tianfu/fault"
)

// Format is the version of what is in the file. Format 1 summed a record alone
// and knew nothing of batches, trims and the end; a directory of it is upgraded
// when it is opened.
const Format = 2

var (
	metaBucket   = []byte("meta")
	recordBucket = []byte("records")
	formatKey    = []byte("format")
	spanKey      = []byte("span")
	castagnoli   = crc32.MakeTable(crc32.Castagnoli)
)

// sealed is a value of the meta bucket with its sum.
func sealed(key, value []byte) []byte {
	sum := crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, value)
	return binary.BigEndian.AppendUint32(bytes.Clone(value), sum)
}

func unsealed(key, b []byte) ([]byte, bool) {
	if len(b) < 4 {
		return nil, false
	}
	v := b[:len(b)-4]
	return v, bytes.Equal(sealed(key, v), b)
}

// span is the first and the last record: the end is kept apart from the tree,
// so that a tree that lost its end shows.
type span struct{ first, last uint64 }

func (s span) bytes() []byte {
	return sealed(spanKey, binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, s.first), s.last))
}

func readSpan(b []byte) (span, bool) {
	v, ok := unsealed(spanKey, b)
	if !ok || len(v) != 16 {
		return span{}, false
	}
	return span{binary.BigEndian.Uint64(v), binary.BigEndian.Uint64(v[8:])}, true
}

func formatValue() []byte { return sealed(formatKey, []byte("tianfu records \x00\x02")) }

// readFormat returns the version in a value of the format key; 0 = damaged.
func readFormat(b []byte) int {
	if len(b) == 1 && b[0] == 1 {
		return 1
	}
	v, ok := unsealed(formatKey, b)
	if !ok || len(v) < 2 || !bytes.HasPrefix(v, []byte("tianfu records ")) {
		return 0
	}
	return int(binary.BigEndian.Uint16(v[len(v)-2:]))
}

// recordHead is the sum of a record and how many of its batch follow it.
const recordHead = 8

func keyOf(seq uint64) []byte { return binary.BigEndian.AppendUint64(nil, seq) }

// appendRecord appends a record as it is kept: the sum of all else and its
// number, how many records of its batch follow it, and the record.
func appendRecord(b []byte, seq uint64, left uint32, record []byte) []byte {
	at := len(b)
	b = append(b, 0, 0, 0, 0)
	b = append(binary.BigEndian.AppendUint32(b, left), record...)
	binary.BigEndian.PutUint32(b[at:], sumOf(keyOf(seq), b[at+4:]))
	return b
}

func sumOf(key, rest []byte) uint32 {
	return crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, rest)
}

// readRecord takes a kept record apart; false when it is not what was written.
func readRecord(key, value []byte, format int) (record []byte, left uint32, ok bool) {
	switch {
	case format == 1:
		if len(value) < 4 || binary.BigEndian.Uint32(value) != crc32.Checksum(value[4:], castagnoli) {
			return nil, 0, false
		}
		return value[4:], 0, true
	case len(value) < recordHead || binary.BigEndian.Uint32(value) != sumOf(key, value[4:]):
		return nil, 0, false
	}
	return value[recordHead:], binary.BigEndian.Uint32(value[4:]), true
}

// damaged is the error for damage: what is wrong where, and what to do.
func damaged(file string, d Damage) error {
	return fault.New(fault.Invalid, file, "is damaged at "+d.String(), "see what can be saved: tianfu store verify DIR; save it: tianfu store repair DIR; or restore a backup")
}
