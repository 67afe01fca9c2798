package modbus

import (
	"encoding/binary"
	"io"
	"log"
	"math"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/simonvetter/modbus"

	"tianfu/fault"
	"tianfu/sensor"
)

// strip is a power strip with registers, served by the library's own server.
type strip struct {
	mu      sync.Mutex
	holding map[uint16]uint16
	input   map[uint16]uint16
	server  *modbus.ModbusServer
	address string
	asked   int // requests
}

func newStrip(t *testing.T) *strip {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	s := &strip{holding: map[uint16]uint16{}, input: map[uint16]uint16{}, address: address}
	s.start(t)
	t.Cleanup(func() { s.server.Stop() })
	return s
}

func (s *strip) start(t *testing.T) {
	t.Helper()
	server, err := modbus.NewServer(&modbus.ServerConfiguration{URL: "tcp://" + s.address, Timeout: time.Minute, MaxClients: 8, Logger: log.New(io.Discard, "", 0)}, s)
	if err == nil {
		err = server.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	s.server = server
}

// put writes bytes into registers.
func put(m map[uint16]uint16, at uint16, b []byte) {
	for i := 0; i < len(b); i += 2 {
		m[at+uint16(i/2)] = binary.BigEndian.Uint16(b[i:])
	}
}

func (s *strip) HandleCoils(*modbus.CoilsRequest) ([]bool, error) {
	return nil, modbus.ErrIllegalFunction
}

func (s *strip) HandleDiscreteInputs(*modbus.DiscreteInputsRequest) ([]bool, error) {
	return nil, modbus.ErrIllegalFunction
}

func (s *strip) HandleHoldingRegisters(r *modbus.HoldingRegistersRequest) ([]uint16, error) {
	if r.IsWrite || r.UnitId != 3 {
		return nil, modbus.ErrIllegalFunction
	}
	return s.serve(s.holding, r.Addr, r.Quantity)
}

func (s *strip) HandleInputRegisters(r *modbus.InputRegistersRequest) ([]uint16, error) {
	return s.serve(s.input, r.Addr, r.Quantity)
}

func (s *strip) serve(m map[uint16]uint16, at, n uint16) ([]uint16, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	var out []uint16
	for i := range n {
		v, ok := m[at+i]
		if !ok {
			return nil, modbus.ErrIllegalDataAddress
		}
		out = append(out, v)
	}
	return out, nil
}

func scale(t *testing.T, text string) sensor.Scale {
	t.Helper()
	s, err := sensor.ParseScale(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestConformance(t *testing.T) {
	sensor.Conform(t, func(t *testing.T) *sensor.Bench {
		s := newStrip(t)
		energy := uint32(4_000_000_000)
		draw := func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			energy += 17
			put(s.holding, 3000, binary.BigEndian.AppendUint32(nil, energy))
			put(s.input, 7, binary.BigEndian.AppendUint32(nil, math.Float32bits(1234.5)))
		}
		draw()
		return &sensor.Bench{
			Draw: draw,
			Cut:  func() { s.server.Stop() },
			Mend: func() { s.start(t) },
			Open: func(t *testing.T) sensor.Source {
				source, err := New(Options{Address: s.address, UnitID: 3, Covers: sensor.Covers{Level: sensor.Rack, Path: "s1/r1"}, Channels: []sensor.Channel{
					{Name: "total", Address: "holding:3000", Type: "uint32", Scale: scale(t, "0.1kWh"), Wraps: 1 << 32, Part: "a"},
					{Name: "power", Address: "input:7", Type: "float32", Scale: scale(t, "W"), Part: "b"},
				}})
				if err != nil {
					t.Fatal(err)
				}
				return source
			},
		}
	})
}

func TestTypesAndBlocks(t *testing.T) {
	s := newStrip(t)
	put(s.holding, 10, []byte{0x01, 0x02})                                                        // uint16 258
	put(s.holding, 11, []byte{0xff, 0xfe})                                                        // int16 -2
	put(s.holding, 12, []byte{0x00, 0x01, 0x00, 0x02})                                            // uint32 65538
	put(s.holding, 14, []byte{0x00, 0x02, 0x00, 0x01})                                            // the same, low word first
	put(s.holding, 16, []byte{0x02, 0x00, 0x01, 0x00})                                            // the same, little-endian
	put(s.holding, 18, binary.BigEndian.AppendUint64(nil, 1<<40))                                 // int64
	put(s.holding, 22, binary.BigEndian.AppendUint64(nil, math.Float64bits(36166.123)))           // float64
	put(s.holding, 40, binary.BigEndian.AppendUint32(nil, math.Float32bits(float32(math.NaN())))) // not available
	watts, kwh, wh := scale(t, "W"), scale(t, "kWh"), scale(t, "Wh")
	channels := []sensor.Channel{
		{Name: "a", Address: "holding:10", Scale: watts},
		{Name: "b", Address: "11", Type: "int16", Scale: watts},
		{Name: "c", Address: "holding:12", Type: "uint32", Scale: wh},
		{Name: "d", Address: "holding:0x0e", Type: "uint32 low-word-first", Scale: wh},
		{Name: "e", Address: "holding:16", Type: "uint32 little-endian", Scale: wh},
		{Name: "f", Address: "holding:18", Type: "int64", Scale: wh},
		{Name: "g", Address: "holding:22", Type: "float64", Scale: kwh},
		{Name: "h", Address: "holding:40", Type: "float32", Scale: kwh},
		{Name: "i", Address: "holding:999", Scale: watts},
	}
	source, err := New(Options{Address: s.address, UnitID: 3, Covers: sensor.Covers{Level: sensor.Rack, Path: "r"}, Channels: channels})
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close()
	out, err := source.Read(t.Context())
	if fault.KindOf(err) != fault.NotFound || len(out) != 7 {
		t.Fatalf("%d samples, %v", len(out), err)
	}
	if s.asked != 3 {
		t.Errorf("%d requests; 10 to 25, 40 and 999 are three", s.asked)
	}
	for i, want := range []int64{258_000, -2000, 65538, 65538, 65538, 1 << 40, 130_198_042_800_000} {
		got := int64(out[i].Power)
		if out[i].Kind == sensor.Counter {
			got = int64(out[i].Count)
		}
		if got != want {
			t.Errorf("%s: %d, want %d", out[i].Channel, got, want)
		}
	}
}

func TestDeclarations(t *testing.T) {
	w := scale(t, "W")
	for _, o := range []Options{
		{Address: "host:502"},
		{Address: "", Channels: []sensor.Channel{{Name: "a", Address: "1", Scale: w}}},
		{Address: "host:502", UnitID: 256, Channels: []sensor.Channel{{Name: "a", Address: "1", Scale: w}}},
		{Address: "host:502", Channels: []sensor.Channel{{Name: "a", Address: "1"}}},
		{Address: "host:502", Channels: []sensor.Channel{{Name: "a", Address: "coil:1", Scale: w}}},
		{Address: "host:502", Channels: []sensor.Channel{{Name: "a", Address: "65536", Scale: w}}},
		{Address: "host:502", Channels: []sensor.Channel{{Name: "a", Address: "65535", Type: "uint32", Scale: w}}},
		{Address: "host:502", Channels: []sensor.Channel{{Name: "a", Address: "1", Type: "bcd", Scale: w}}},
		{Address: "host:502", Channels: []sensor.Channel{{Name: "a", Address: "1", Scale: w}, {Name: "a", Address: "2", Scale: w}}},
	} {
		if _, err := New(o); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%+v: %v", o, err)
		}
	}
	if _, err := New(Options{Address: "pdu-r1", Channels: []sensor.Channel{{Name: "a", Address: "1", Scale: w}}}); err != nil {
		t.Errorf("without a port: %v", err)
	}
}
