package mqtt

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	broker "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/hooks/auth"
	"github.com/mochi-mqtt/server/v2/listeners"

	"tianfu/fault"
	"tianfu/sensor"
)

const password = "hears-the-strip"

// bench is a broker with a meter that publishes to it.
type bench struct {
	address string
	tls     *tls.Config
	server  *broker.Server
	energy  int
	heard   []*Source
}

func newBench(t *testing.T, c *tls.Config) *bench {
	b := &bench{address: "127.0.0.1:0", tls: c, energy: 1000}
	b.start(t)
	t.Cleanup(func() { b.server.Close() })
	return b
}

func (b *bench) start(t *testing.T) {
	t.Helper()
	l, err := net.Listen("tcp", b.address)
	if err != nil {
		t.Fatal(err)
	}
	b.address = l.Addr().String()
	if b.tls != nil {
		l = tls.NewListener(l, b.tls)
	}
	b.server = broker.New(&broker.Options{InlineClient: true, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	err = b.server.AddHook(new(auth.Hook), &auth.Options{Ledger: &auth.Ledger{
		Auth: auth.AuthRules{{Username: "reader", Password: password, Allow: true}},
		ACL:  auth.ACLRules{{Username: "reader", Filters: auth.Filters{"plant/#": auth.ReadOnly}}, {Username: "reader", Filters: auth.Filters{"secret/#": auth.Deny}}},
	}})
	if err == nil {
		err = b.server.AddListener(listeners.NewNet("t", l))
	}
	if err == nil {
		err = b.server.Serve()
	}
	if err != nil {
		t.Fatal(err)
	}
	b.publish(t)
}

// publish lets the meter speak.
func (b *bench) publish(t *testing.T) {
	t.Helper()
	for topic, text := range map[string]string{
		"plant/r1/energy": fmt.Sprintf(`{"Time":"2026-07-01T00:00:00","ENERGY":{"Total":%d.5,"Power":[344.5,12]}}`, b.energy),
		"plant/r1/volts":  "230.1",
	} {
		if err := b.server.Publish(topic, []byte(text), true, 0); err != nil {
			t.Fatal(err)
		}
	}
}

func (b *bench) options(t *testing.T) Options {
	kwh, err := sensor.ParseScale("kWh")
	if err != nil {
		t.Fatal(err)
	}
	watts, _ := sensor.ParseScale("W")
	return Options{Address: b.address, User: "reader", Secret: password, Covers: sensor.Covers{Level: sensor.Rack, Path: "s1/r1"}, Channels: []sensor.Channel{
		{Name: "power", Address: "plant/r1/energy", Field: "ENERGY.Power.0", Scale: watts, Part: "p"},
		{Name: "total", Address: "plant/r1/energy", Field: "ENERGY.Total", Scale: kwh, Part: "t"},
	}}
}

func (b *bench) open(t *testing.T, o Options) *Source {
	t.Helper()
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	b.heard = append(b.heard, s)
	return s
}

// draw publishes, and waits until those who listen have heard it.
func (b *bench) draw(t *testing.T) {
	b.energy++
	var wait []chan struct{}
	for _, s := range b.heard {
		if !s.closed && s.client != nil && s.client.IsConnectionOpen() {
			s.mu.Lock()
			wait = append(wait, s.changed)
			s.mu.Unlock()
		}
	}
	b.publish(t)
	for _, c := range wait {
		select {
		case <-c:
		case <-time.After(time.Minute):
			t.Fatal("a message was not heard")
		}
	}
}

func TestConformance(t *testing.T) {
	sensor.Conform(t, func(t *testing.T) *sensor.Bench {
		b := newBench(t, nil)
		return &sensor.Bench{
			Draw:   func() { b.draw(t) },
			Cut:    func() { b.server.Close() },
			Mend:   func() { b.start(t) },
			Open:   func(t *testing.T) sensor.Source { return b.open(t, b.options(t)) },
			Secret: password,
		}
	})
}

func TestCredentialsAndTopics(t *testing.T) {
	b := newBench(t, nil)
	o := b.options(t)
	o.Secret = "another-password"
	if _, err := b.open(t, o).Read(t.Context()); fault.KindOf(err) != fault.Denied || strings.Contains(err.Error(), o.Secret) {
		t.Errorf("another password: %v", err)
	}
	o = b.options(t)
	o.Channels[1].Address = "secret/energy"
	if _, err := b.open(t, o).Read(t.Context()); fault.KindOf(err) != fault.Denied {
		t.Errorf("a topic of others: %v", err)
	}
	o = b.options(t)
	o.Channels[1].Field = "ENERGY.total"
	s := b.open(t, o)
	defer s.Close()
	if out, err := s.Read(t.Context()); len(out) != 1 || fault.KindOf(err) != fault.NotFound {
		t.Errorf("a field that is not there: %+v %v", out, err)
	}
}

func TestEncrypted(t *testing.T) {
	h := httptest.NewTLSServer(nil) // for its certificate
	defer h.Close()
	b := newBench(t, &tls.Config{Certificates: h.TLS.Certificates})
	sum := sha256.Sum256(h.Certificate().Raw)
	o := b.options(t)
	o.Address = "mqtts://" + b.address
	o.Fingerprint = strings.ToUpper(hex.EncodeToString(sum[:]))
	s := b.open(t, o)
	defer s.Close()
	if out, err := s.Read(t.Context()); err != nil || len(out) != 2 {
		t.Errorf("%+v %v", out, err)
	}
	o.Fingerprint = strings.Repeat("ab", 32)
	if _, err := b.open(t, o).Read(t.Context()); err == nil || !strings.Contains(err.Error(), "fingerprint") {
		t.Errorf("another certificate: %v", err)
	}
	o.Fingerprint = ""
	if _, err := b.open(t, o).Read(t.Context()); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("a certificate that nobody signed: %v", err)
	}
}

func TestStale(t *testing.T) {
	s, err := New((&bench{address: "127.0.0.1:1"}).options(t))
	if err != nil {
		t.Fatal(err)
	}
	// The first channel spoke in 1970, the second never.
	if s.latest[0].sample, err = s.channels[0].Decimal("344.5", s.o.Covers, 1); err != nil {
		t.Fatal(err)
	}
	if out, silent, _, err := s.values(); len(out) != 0 || !silent || fault.KindOf(err) != fault.Unavailable {
		t.Errorf("%+v %v %v", out, silent, err)
	}
}

func TestPayloads(t *testing.T) {
	for _, c := range [][3]string{
		{"1.5", "", "1.5"}, {` "17" `, "", "17"},
		{`{"a":{"b":[1,2.50]}}`, "a.b.1", "2.50"}, {`{"a":"3"}`, "a", "3"},
		{`{"a":1}`, "b", ""}, {`{"a":[1]}`, "a.1", ""}, {`{"a":[1]}`, "a.-1", ""}, {`{"a":true}`, "a", ""}, {`{`, "a", ""}, {`[`, "0", ""},
	} {
		got, err := number([]byte(c[0]), c[1])
		if got != c[2] || (err == nil) != (c[2] != "") {
			t.Errorf("%s %s: %q %v", c[0], c[1], got, err)
		}
	}
	if _, err := number(make([]byte, maxPayload+1), ""); err == nil {
		t.Error("a message of any size is taken")
	}
}

func TestDeclarations(t *testing.T) {
	b := &bench{address: "127.0.0.1:1"}
	for _, change := range []func(*Options){
		func(o *Options) { o.Address = "" },
		func(o *Options) { o.Address = "http://h" },
		func(o *Options) { o.Address = "mqtt://u:p@h" },
		func(o *Options) { o.Fingerprint = strings.Repeat("ab", 32) },
		func(o *Options) { o.Address, o.Fingerprint = "mqtts://h", "abc" },
		func(o *Options) { o.CA = "/nowhere.pem" },
		func(o *Options) { o.Channels[0].Address = "plant/#" },
		func(o *Options) { o.Channels = nil },
	} {
		o := b.options(t)
		change(&o)
		if _, err := New(o); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%+v: %v", o, err)
		}
	}
}
