package main

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/simonvetter/modbus"

	"tianfu/httpapi"
)

// strips serves a node's socket (register 0) and its rack (register 2) as joule
// counters of 100 W and 110 W.
type strips struct{ began time.Time }

func (s *strips) HandleCoils(*modbus.CoilsRequest) ([]bool, error) {
	return nil, modbus.ErrIllegalFunction
}
func (s *strips) HandleDiscreteInputs(*modbus.DiscreteInputsRequest) ([]bool, error) {
	return nil, modbus.ErrIllegalFunction
}
func (s *strips) HandleInputRegisters(*modbus.InputRegistersRequest) ([]uint16, error) {
	return nil, modbus.ErrIllegalFunction
}
func (s *strips) HandleHoldingRegisters(r *modbus.HoldingRegistersRequest) ([]uint16, error) {
	watts := map[uint16]float64{0: 100, 2: 110}[r.Addr]
	if watts == 0 || r.Quantity != 2 || r.IsWrite {
		return nil, modbus.ErrIllegalDataAddress
	}
	n := uint32(1000 + watts*time.Since(s.began).Seconds()*1000) // mJ
	return []uint16{uint16(n >> 16), uint16(n)}, nil
}

// TestMetersOfACentre runs a real centre with real Modbus meters of a node and of
// its rack: their energies reach the ledger, the rack's surplus is unexplained,
// and a meter that is lost is said and found again.
func TestMetersOfACentre(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	peer := &strips{time.Now()}
	start := func() *modbus.ModbusServer {
		s, err := modbus.NewServer(&modbus.ServerConfiguration{URL: "tcp://" + address, Timeout: time.Minute, MaxClients: 8, Logger: log.New(io.Discard, "", 0)}, peer)
		if err == nil {
			err = s.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	strip := start()
	host, _ := os.Hostname()
	world := filepath.Join(t.TempDir(), "world.yaml")
	text := fmt.Sprintf(`name: test
sites: [{name: here, time_zone: UTC, racks: [{name: r1}]}]
catalogue: {skus: [{name: m, vcpu: 4, memory: 8GiB}]}
nodes: [{name: %q, sku: m, place: here/r1}]
meters:
  - {name: socket, kind: modbus, covers: %q, address: "%[2]s", every: 1s, channels: [{name: total, address: "holding:0", type: uint32, unit: mJ}]}
  - {name: rack, kind: modbus, covers: here/r1, address: "%[2]s", every: 1s, channels: [{name: total, address: "holding:2", type: uint32, unit: mJ}]}
  - {name: keyless, kind: snmp, covers: here, address: "127.0.0.1", secret_env: NOT_SET_ANYWHERE, channels: [{name: x, address: 1.3.6, unit: W}]}
`, host, address)
	text = strings.Replace(text, fmt.Sprintf("covers: %q", address), fmt.Sprintf("covers: %q", host), 1)
	if err := os.WriteFile(world, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s := startServer(t, "--world", world, "--meter-every", "1s")
	t.Setenv("TIANFU_TOKEN", s.token)
	state := func(name string) (m httpapi.Meter, all *httpapi.Meters) {
		all, err := s.client().Meters(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range all.Meters {
			if m.Name == name {
				return m, all
			}
		}
		t.Fatalf("no meter %s in %+v", name, all)
		return m, all
	}
	await := func(what string, done func() bool) {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); !done(); time.Sleep(100 * time.Millisecond) {
			if time.Now().After(deadline) {
				_, all := state("socket")
				t.Fatalf("never: %s; %+v", what, all)
			}
		}
	}
	await("an interval is compared", func() bool {
		_, all := state("socket")
		return len(all.Areas) == 2 && all.Areas[1].To != "" && all.Areas[1].MeasuredNodes == 1
	})
	m, all := state("socket")
	a := all.Areas[1]
	if a.Area != "here/r1" || a.UnexplainedPercent < 5 || a.UnexplainedPercent > 13 || a.MeasuredJoules < 95 || a.MeasuredJoules > 125 {
		t.Errorf("%+v", a)
	}
	if m.Watts < 90 || m.Watts > 110 || m.Quality != "measured" || !m.Counts || m.State != "reading" {
		t.Errorf("%+v", m)
	}
	if k, _ := state("keyless"); k.State != "broken" || !strings.Contains(k.Error, "NOT_SET_ANYWHERE is not set") {
		t.Errorf("%+v", k)
	}
	code, out, errs := execute("meter", "status", "--areas", "--server", "http://"+s.address)
	if code != 0 || !strings.Contains(out, "here/r1") || !strings.Contains(out, "1 of 1") {
		t.Errorf("%d %s %s", code, out, errs)
	}
	strip.Stop()
	await("the loss is said", func() bool { m, _ := state("socket"); return m.State == "lost" && m.Error != "" })
	strip = start()
	defer strip.Stop()
	await("it is found again", func() bool { m, _ := state("socket"); return m.State == "reading" })
	// A reload stops one meter, begins another and leaves the third as it is.
	before, _ := state("socket")
	next := strings.Replace(text, "name: rack, kind: modbus, covers: here/r1", "name: feed, kind: modbus, covers: here", 1)
	if err := os.WriteFile(world, []byte(next), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, out, errs := execute("world", "reload", "--dry-run=server", "--server", "http://"+s.address); code != 0 || !strings.Contains(out, "meter feed is added") || strings.Contains(out, "socket") {
		t.Errorf("%d %s %s", code, out, errs)
	}
	state("rack") // a dry run changes nothing
	if code, out, errs := execute("world", "reload", "--server", "http://"+s.address); code != 0 || !strings.Contains(out, "meter rack is removed") {
		t.Errorf("%d %s %s", code, out, errs)
	}
	await("the new meter is read", func() bool { m, _ := state("feed"); return m.State == "reading" && m.Watts > 90 })
	after, all := state("socket")
	if after.Joules <= before.Joules || after.Reads <= before.Reads || after.Since != before.Since {
		t.Errorf("the meter that stayed was begun anew: %+v, before %+v", after, before)
	}
	for _, m := range all.Meters {
		if m.Name == "rack" {
			t.Errorf("still read: %+v", m)
		}
	}
	if err := os.WriteFile(world, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, out, errs := execute("world", "reload", "--server", "http://"+s.address); code != 0 || !strings.Contains(out, "meter feed is removed") {
		t.Errorf("%d %s %s", code, out, errs)
	}
	await("an interval of the rack is compared again", func() bool {
		_, all := state("rack")
		return len(all.Areas) == 2 && all.Areas[1].To != "" && all.Areas[1].MeasuredNodes == 1
	})
	r, _ := http.NewRequest(http.MethodGet, "http://"+s.address+"/metrics", nil)
	r.Header.Set("Authorization", "Bearer "+s.token)
	reply, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	page, _ := io.ReadAll(reply.Body)
	for _, want := range []string{`tianfu_meter_joules_total{channel="total",covers="here/r1",kind="modbus",level="rack",meter="rack"}`, `tianfu_meter_lost{covers="here",kind="snmp",level="site",meter="keyless"} 1`, `tianfu_meter_area_unexplained_watts{area="here/r1",level="rack"}`} {
		if !strings.Contains(string(page), want) {
			t.Errorf("no %s in /metrics", want)
		}
	}
}
