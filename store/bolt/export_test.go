package bolt

import (
	"encoding/binary"
	"hash/crc32"
)

// SealedFormat is the value of the format key of a version.
func SealedFormat(version int) []byte {
	return sealed(formatKey, binary.BigEndian.AppendUint16([]byte("tianfu records "), uint16(version)))
}

// Format1Record is a record as format 1 kept it.
func Format1Record(seq uint64, record []byte) (key, value []byte) {
	return keyOf(seq), append(binary.BigEndian.AppendUint32(nil, crc32.Checksum(record, castagnoli)), record...)
}
