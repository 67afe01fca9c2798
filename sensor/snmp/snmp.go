// Package snmp reads power strips and meters over SNMP: declared objects, by GET,
// with a community (v2c) or a user (v3). It owns what an object's value means; it
// walks nothing and never sets one. Read this file first, then address.go.
package snmp

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/gosnmp/gosnmp"

	"tianfu/fault"
	"tianfu/sensor"
	"tianfu/unit"
)

// Bounds of a request. Small instruments answer no more than some twenty objects
// in one packet.
const (
	perRequest     = 20
	requestTimeout = 1500 * time.Millisecond
)

// Options say which instrument is read and what of it.
type Options struct {
	Address  string // host:port, then ?auth=...&priv=... of v3; the port is 161 when left out
	User     string // of v3; empty is v2c
	Secret   string // the community, or the passphrases of v3: "one" or "one two"
	Covers   sensor.Covers
	Channels []sensor.Channel
}

// Source reads one instrument.
type Source struct {
	name     string
	target   target
	covers   sensor.Covers
	channels []sensor.Channel
	client   *gosnmp.GoSNMP
	closed   bool
}

// identifier is a numeric object identifier.
var identifier = regexp.MustCompile(`^\.?[0-9]{1,10}(\.[0-9]{1,10}){1,63}$`)

// New checks what is declared; it does not connect.
func New(o Options) (*Source, error) {
	t, err := parseTarget(o)
	if err != nil {
		return nil, err
	}
	channels, err := sensor.SortChannels(o.Channels)
	if err != nil {
		return nil, err
	}
	for i := range channels {
		c := &channels[i]
		if !identifier.MatchString(c.Address) {
			return nil, fault.New(fault.Invalid, "channel "+c.Name, fmt.Sprintf("%q is no object identifier", c.Address), "write it in numbers, such as 1.3.6.1.4.1.318.1.1.26.4.3.1.9.1")
		}
		c.Address = "." + strings.TrimPrefix(c.Address, ".")
	}
	return &Source{name: t.String(), target: t, covers: o.Covers, channels: channels}, nil
}

// Read gets every object. UDP has no connection to lose: what an agent needs to
// be asked by its own clock (v3) is learnt again after a failure.
func (s *Source) Read(ctx context.Context) ([]sensor.Sample, error) {
	if s.closed {
		return nil, fault.New(fault.Unavailable, s.name, "is closed", "")
	}
	if err := ctx.Err(); err != nil {
		return nil, fault.New(fault.Unavailable, s.name, err.Error(), "")
	}
	if s.client == nil {
		client := s.target.client(ctx)
		if err := client.Connect(); err != nil {
			return nil, &fault.Error{Kind: fault.Unavailable, Where: s.name, What: "connect", Err: err}
		}
		s.client = client
	}
	s.client.Context = ctx
	var out []sensor.Sample
	var failed error
	for first := 0; first < len(s.channels); first += perRequest {
		part := s.channels[first:min(first+perRequest, len(s.channels))]
		samples, err := s.get(part)
		out = append(out, samples...)
		if err != nil {
			failed = err
		}
		if s.client == nil {
			break
		}
	}
	return out, failed
}

// get asks for some objects in one packet.
func (s *Source) get(channels []sensor.Channel) ([]sensor.Sample, error) {
	names := make([]string, len(channels))
	for i := range channels {
		names[i] = channels[i].Address
	}
	answer, err := s.client.Get(names)
	at := unit.Instant(time.Now().UnixNano())
	if err != nil {
		s.drop()
		return nil, s.getFault(err)
	}
	switch answer.Error {
	case gosnmp.NoError:
	case gosnmp.AuthorizationError, gosnmp.NoAccess:
		return nil, fault.New(fault.Denied, s.name, "the agent does not let us read: "+answer.Error.String(), "it may ask for privacy, or show this user less")
	default:
		return nil, fault.Invalidf(s.name, "the agent answers %v", answer.Error)
	}
	values := make(map[string]gosnmp.SnmpPDU, len(answer.Variables))
	for _, v := range answer.Variables {
		values[v.Name] = v
	}
	var out []sensor.Sample
	var failed error
	for i := range channels {
		c := &channels[i]
		v, ok := values[c.Address]
		if !ok || v.Type == gosnmp.NoSuchObject || v.Type == gosnmp.NoSuchInstance || v.Type == gosnmp.Null {
			failed = fault.New(fault.NotFound, s.name, "the agent has no object "+c.Address, "see its MIB; tables need the row's index at the end")
			continue
		}
		sample, err := s.sample(c, v, at)
		if err != nil {
			failed = fault.Wrap(err, s.name, "channel "+c.Name)
			continue
		}
		out = append(out, sample)
	}
	return out, failed
}

// sample reads one value: whole numbers of any kind, or a number in text.
func (s *Source) sample(c *sensor.Channel, v gosnmp.SnmpPDU, at unit.Instant) (sensor.Sample, error) {
	switch v.Type {
	case gosnmp.Integer, gosnmp.Counter32, gosnmp.Gauge32, gosnmp.Counter64, gosnmp.Uinteger32, gosnmp.TimeTicks:
		n := gosnmp.ToBigInt(v.Value)
		if n.IsUint64() {
			return c.Integer(n.Uint64(), s.covers, at)
		}
		return c.Signed(n.Int64(), s.covers, at)
	case gosnmp.OctetString:
		text, _ := v.Value.([]byte)
		return c.Decimal(string(text[:min(len(text), 64)]), s.covers, at)
	case gosnmp.OpaqueFloat, gosnmp.OpaqueDouble:
		return c.Decimal(fmt.Sprint(v.Value), s.covers, at)
	}
	return sensor.Sample{}, fault.Invalidf("channel "+c.Name, "the object is a %v", v.Type)
}

// getFault tells an agent that refuses from one that does not answer. One with
// another community does not answer at all.
func (s *Source) getFault(err error) error {
	text := strings.ToLower(err.Error())
	for _, sign := range []error{gosnmp.ErrUnknownUsername, gosnmp.ErrWrongDigest, gosnmp.ErrDecryption, gosnmp.ErrUnknownSecurityLevel} {
		if errors.Is(err, sign) || strings.Contains(text, sign.Error()) {
			return fault.New(fault.Denied, s.name, sign.Error(), "check user, passphrases, ?auth= and ?priv=")
		}
	}
	if strings.Contains(text, "incoming packet is not authentic") {
		return fault.New(fault.Denied, s.name, "the answer is not signed with our passphrase", "check the passphrases, ?auth= and ?priv=")
	}
	fix := "an agent that does not know the community does not answer"
	if s.target.version == gosnmp.Version3 {
		fix = ""
	}
	return &fault.Error{Kind: fault.Unavailable, Where: s.name, What: "get", Fix: fix, Err: err}
}

func (s *Source) drop() {
	if s.client != nil {
		s.client.Close()
		s.client = nil
	}
}

// Close ends the reading.
func (s *Source) Close() error {
	s.closed = true
	s.drop()
	return nil
}
