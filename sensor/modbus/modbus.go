// Package modbus reads energy meters and power strips over Modbus/TCP: declared
// holding or input registers, by their declared types. It owns how a register
// becomes a number; it never writes one. Read this file first, then register.go.
package modbus

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"strings"
	"time"

	"github.com/simonvetter/modbus"

	"tianfu/fault"
	"tianfu/sensor"
	"tianfu/unit"
)

// requestTimeout bounds one request; a Read may ask for several blocks.
const requestTimeout = 1500 * time.Millisecond

// Options say which instrument is read and what of it.
type Options struct {
	Address  string // host:port; the port is 502 when left out
	UnitID   int    // 0 to 255; 0 is 1
	Covers   sensor.Covers
	Channels []sensor.Channel
}

// Source reads one instrument over one connection, which it opens when it needs
// it and again when it was lost.
type Source struct {
	url    string
	unit   uint8
	covers sensor.Covers
	blocks []block
	count  int
	client *modbus.ModbusClient
	closed bool
}

// New checks what is declared; it does not connect.
func New(o Options) (*Source, error) {
	address := strings.TrimPrefix(o.Address, "tcp://")
	if _, _, err := net.SplitHostPort(address); err != nil {
		address = net.JoinHostPort(strings.Trim(address, "[]"), "502")
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil || host == "" || strings.Contains(address, "/") {
		return nil, fault.New(fault.Invalid, "address", fmt.Sprintf("%q is no host and port", o.Address), "such as 10.0.0.5:502")
	}
	if o.UnitID < 0 || o.UnitID > 255 {
		return nil, fault.Invalidf("unit_id", "%d is outside 0 to 255", o.UnitID)
	}
	channels, err := sensor.SortChannels(o.Channels)
	if err != nil {
		return nil, err
	}
	blocks, err := blocksOf(channels)
	if err != nil {
		return nil, err
	}
	s := &Source{url: "tcp://" + address, unit: uint8(max(o.UnitID, 1)), covers: o.Covers, blocks: blocks, count: len(channels)}
	return s, nil
}

// Read asks for every block of registers. A connection from an earlier Read may
// have been closed by the instrument meanwhile, as many do when idle: then it is
// opened once more.
func (s *Source) Read(ctx context.Context) ([]sensor.Sample, error) {
	if s.closed {
		return nil, fault.New(fault.Unavailable, s.url, "is closed", "")
	}
	if s.client != nil {
		out, err := s.read(ctx)
		if err == nil || s.client != nil || len(out) > 0 {
			return out, err
		}
	}
	if err := s.connect(ctx); err != nil {
		return nil, err
	}
	return s.read(ctx)
}

// read asks over the open connection; where that fails, it closes it.
func (s *Source) read(ctx context.Context) ([]sensor.Sample, error) {
	numbers := make([]sensor.Sample, s.count)
	have := make([]bool, s.count)
	var failed error
	for i := range s.blocks {
		b := &s.blocks[i]
		if err := ctx.Err(); err != nil {
			failed = fault.New(fault.Unavailable, s.url, err.Error(), "")
			break
		}
		raw, err := s.client.ReadRawBytes(b.first, b.registers*2, b.kind)
		at := unit.Instant(time.Now().UnixNano())
		if err != nil {
			if failed = s.readFault(b, err); fault.KindOf(failed) == fault.Unavailable {
				s.drop()
				break
			}
			continue
		}
		for _, r := range b.values {
			sample, err := r.sample(raw, s.covers, at)
			if err != nil {
				failed = fault.Wrap(err, s.url, "channel "+r.channel.Name)
				continue
			}
			numbers[r.order], have[r.order] = sample, true
		}
	}
	out := numbers[:0]
	for i, ok := range have {
		if ok {
			out = append(out, numbers[i])
		}
	}
	return out, failed
}

// connect opens the connection. The library waits up to five seconds for one; a
// context that ends before leaves it to close itself.
func (s *Source) connect(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fault.New(fault.Unavailable, s.url, err.Error(), "")
	}
	client, err := modbus.NewClient(&modbus.ClientConfiguration{URL: s.url, Timeout: requestTimeout, Logger: log.New(io.Discard, "", 0)})
	if err == nil {
		err = client.SetUnitId(s.unit)
	}
	if err != nil {
		return &fault.Error{Kind: fault.Invalid, Where: s.url, What: "prepare", Err: err}
	}
	opened := make(chan error, 1)
	go func() { opened <- client.Open() }()
	select {
	case err = <-opened:
	case <-ctx.Done():
		go func() {
			if <-opened == nil {
				client.Close()
			}
		}()
		return fault.New(fault.Unavailable, s.url, ctx.Err().Error(), "")
	}
	if err != nil {
		return &fault.Error{Kind: fault.Unavailable, Where: s.url, What: "connect", Err: err}
	}
	s.client = client
	return nil
}

func (s *Source) drop() {
	if s.client != nil {
		s.client.Close()
		s.client = nil
	}
}

// readFault says what an instrument's refusal means.
func (s *Source) readFault(b *block, err error) error {
	where := fmt.Sprintf("%s unit %d %s", s.url, s.unit, b)
	switch {
	case errors.Is(err, modbus.ErrIllegalDataAddress), errors.Is(err, modbus.ErrIllegalFunction), errors.Is(err, modbus.ErrIllegalDataValue):
		return fault.New(fault.NotFound, where, "the instrument has no such registers: "+err.Error(), "some instruments count registers from 1: try one less")
	case errors.Is(err, modbus.ErrServerDeviceFailure), errors.Is(err, modbus.ErrServerDeviceBusy), errors.Is(err, modbus.ErrMemoryParityError):
		return fault.Invalidf(where, "%v", err)
	}
	return &fault.Error{Kind: fault.Unavailable, Where: where, What: "read", Err: err}
}

// Close ends the connection.
func (s *Source) Close() error {
	s.closed = true
	s.drop()
	return nil
}
