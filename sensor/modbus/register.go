package modbus

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/simonvetter/modbus"

	"tianfu/fault"
	"tianfu/sensor"
	"tianfu/unit"
)

// maxRegisters is the most that one request may ask for, by the protocol.
const maxRegisters = 125

// register is a declared value with where it lies.
type register struct {
	channel *sensor.Channel
	order   int // of the channel, by name
	kind    modbus.RegType
	first   uint16
	offset  int // in bytes, within its block
	format  format
}

// format is how bytes become a number.
type format struct {
	bytes  int
	signed bool
	float  bool
	low    bool // the low word comes first
	little bool // and within a word the low byte, too
}

// block is what one request reads: registers that follow each other without a
// hole, for an instrument may refuse a hole.
type block struct {
	kind      modbus.RegType
	first     uint16
	registers uint16
	values    []register
}

// String renders "holding 3000-3003".
func (b *block) String() string {
	return fmt.Sprintf("%s %d-%d", kindName(b.kind), b.first, int(b.first)+int(b.registers)-1)
}

func kindName(k modbus.RegType) string {
	if k == modbus.INPUT_REGISTER {
		return "input"
	}
	return "holding"
}

// blocksOf joins neighbours into requests.
func blocksOf(channels []sensor.Channel) ([]block, error) {
	var all []register
	for i := range channels {
		r, err := parseRegister(&channels[i])
		if err != nil {
			return nil, fault.Wrap(err, "channel "+channels[i].Name, "")
		}
		r.order = i
		all = append(all, r)
	}
	slices.SortStableFunc(all, func(a, b register) int {
		return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.first, b.first))
	})
	var out []block
	for _, r := range all {
		words := uint16(r.format.bytes / 2)
		if n := len(out); n > 0 {
			b := &out[n-1]
			end := int(b.first) + int(b.registers)
			if b.kind == r.kind && int(r.first) <= end && int(r.first)+int(words)-int(b.first) <= maxRegisters {
				r.offset = 2 * int(r.first-b.first)
				b.registers = max(b.registers, r.first-b.first+words)
				b.values = append(b.values, r)
				continue
			}
		}
		out = append(out, block{kind: r.kind, first: r.first, registers: words, values: []register{r}})
	}
	return out, nil
}

// formats by the names of types.
var formats = map[string]format{
	"uint16": {bytes: 2}, "int16": {bytes: 2, signed: true},
	"uint32": {bytes: 4}, "int32": {bytes: 4, signed: true},
	"uint64": {bytes: 8}, "int64": {bytes: 8, signed: true},
	"float32": {bytes: 4, float: true}, "float64": {bytes: 8, float: true},
}

// parseRegister reads "holding:3000" or "input:3000" and a type such as uint32,
// uint32 low-word-first or float32 little-endian.
func parseRegister(c *sensor.Channel) (register, error) {
	r := register{channel: c, kind: modbus.HOLDING_REGISTER}
	kind, number, ok := strings.Cut(c.Address, ":")
	if !ok {
		kind, number = "holding", c.Address
	}
	switch kind {
	case "holding":
	case "input":
		r.kind = modbus.INPUT_REGISTER
	default:
		return r, fault.New(fault.Invalid, "address", fmt.Sprintf("%q is no kind of register", kind), "write holding:3000 or input:3000")
	}
	n, err := strconv.ParseUint(number, 0, 16)
	if err != nil {
		return r, fault.New(fault.Invalid, "address", fmt.Sprintf("%q is no register", c.Address), "write holding:3000; the first register is 0")
	}
	r.first = uint16(n)
	name, order, _ := strings.Cut(cmp.Or(strings.TrimSpace(c.Type), "uint16"), " ")
	f, ok := formats[name]
	switch order {
	case "", "high-word-first":
	case "low-word-first":
		f.low = true
	case "little-endian":
		f.low, f.little = true, true
	default:
		ok = false
	}
	if !ok {
		return r, fault.New(fault.Invalid, "type", fmt.Sprintf("%q is no type of a register", c.Type), "uint16, int16, uint32, int32, uint64, int64, float32 or float64, then low-word-first or little-endian if it is so")
	}
	r.format = f
	if int(r.first)+f.bytes/2 > 1<<16 {
		return r, fault.Invalidf("address", "a %s does not fit at %d", name, r.first)
	}
	return r, nil
}

// sample reads the value out of its block.
func (r *register) sample(raw []byte, covers sensor.Covers, at unit.Instant) (sensor.Sample, error) {
	f := r.format
	if len(raw) < r.offset+f.bytes {
		return sensor.Sample{}, fault.Invalidf("channel "+r.channel.Name, "the instrument sent %d bytes", len(raw))
	}
	n := f.bits(raw[r.offset : r.offset+f.bytes])
	switch {
	case f.float && f.bytes == 4:
		return r.channel.Decimal(strconv.FormatFloat(float64(math.Float32frombits(uint32(n))), 'g', -1, 32), covers, at)
	case f.float:
		return r.channel.Decimal(strconv.FormatFloat(math.Float64frombits(n), 'g', -1, 64), covers, at)
	case f.signed:
		shift := 64 - 8*f.bytes
		return r.channel.Signed(int64(n<<shift)>>shift, covers, at)
	}
	return r.channel.Integer(n, covers, at)
}

// bits puts the words in order.
func (f format) bits(b []byte) uint64 {
	var n uint64
	for i := 0; i < len(b); i += 2 {
		at := i
		if f.low {
			at = len(b) - 2 - i
		}
		word := binary.BigEndian.Uint16(b[at:])
		if f.little {
			word = binary.LittleEndian.Uint16(b[at:])
		}
		n = n<<16 | uint64(word)
	}
	return n
}
