package snmp

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"tianfu/fault"
	"tianfu/sensor"
)

// The objects of an APC rack strip: energy in tenths of a kWh, power in
// hundredths of a kW.
const (
	tree   = ".1.3.6.1.4.1.318.1.1.26.4.3.1"
	energy = tree + ".9.1"
	power  = tree + ".5.1"
	text   = tree + ".99.1" // a number in letters, as some agents send it
	big    = tree + ".98.1"

	community = "reads-the-strip"
	passwords = "authenticates-well keeps-it-private"
)

// agent is net-snmp's snmpd that serves values out of files.
type agent struct {
	dir, address string
	command      *exec.Cmd
}

// pass answers snmpd's questions: it prints the object's kind and value.
const pass = `#!/bin/sh
[ "$1" = -g ] && [ -f "DIR/$2" ] && echo "$2" && cat "DIR/$2"
exit 0
`

func newAgent(t *testing.T) *agent {
	t.Helper()
	if _, err := exec.LookPath("/usr/sbin/snmpd"); err != nil {
		t.Skip("net-snmp's snmpd is not installed (Debian: apt install snmpd): SNMP is not tested against an agent")
	}
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	// snmpd takes a comma in the path for the end of a name, and t.TempDir has one.
	dir, err := os.MkdirTemp("", "snmpd")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	a := &agent{dir: dir, address: c.LocalAddr().String()}
	c.Close()
	script := filepath.Join(a.dir, "pass.sh")
	config := fmt.Sprintf("rocommunity %s 127.0.0.1\ncreateUser reader SHA-256 authenticates-well AES keeps-it-private\nrouser reader authpriv\npass %s /bin/sh %s\n", community, tree, script)
	a.write(t, "pass.sh", strings.ReplaceAll(pass, "DIR", a.dir))
	a.write(t, "snmpd.conf", config)
	a.set(t, energy, "gauge", "1234500")
	a.set(t, power, "integer", "543")
	a.set(t, text, "string", "36.166")
	a.set(t, big, "counter64", "18446744073709551615")
	t.Cleanup(a.stop)
	a.start(t)
	return a
}

func (a *agent) write(t *testing.T, name, text string) {
	t.Helper()
	// In one step: the agent must never see half a value.
	if err := os.WriteFile(filepath.Join(a.dir, "new"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(a.dir, "new"), filepath.Join(a.dir, name)); err != nil {
		t.Fatal(err)
	}
}

func (a *agent) set(t *testing.T, object, kind, value string) {
	a.write(t, object, kind+"\n"+value+"\n")
}

func (a *agent) start(t *testing.T) {
	t.Helper()
	a.command = exec.Command("/usr/sbin/snmpd", "-f", "-Lf", filepath.Join(a.dir, "log"), "-C", "-I", "-smux", "-m", "", "-c", filepath.Join(a.dir, "snmpd.conf"), "-p", filepath.Join(a.dir, "pid"), "udp:"+a.address)
	a.command.Env = append(os.Environ(), "SNMP_PERSISTENT_DIR="+filepath.Join(a.dir, "kept"), "SNMPCONFPATH="+a.dir)
	if err := a.command.Start(); err != nil {
		t.Fatal(err)
	}
	// It is up when it answers.
	for deadline := time.Now().Add(20 * time.Second); ; {
		s := a.open(t, Options{Secret: community})
		_, err := s.Read(t.Context())
		s.Close()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			log, _ := os.ReadFile(filepath.Join(a.dir, "log"))
			t.Fatalf("snmpd does not answer: %v\n%s", err, log)
		}
	}
}

func (a *agent) stop() {
	if a.command == nil || a.command.Process == nil {
		return
	}
	a.command.Process.Kill()
	a.command.Wait()
}

func scale(t *testing.T, text string) sensor.Scale {
	t.Helper()
	s, err := sensor.ParseScale(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (a *agent) open(t *testing.T, o Options) *Source {
	t.Helper()
	o.Address = a.address + o.Address
	o.Covers = sensor.Covers{Level: sensor.Rack, Path: "s1/r1"}
	if o.Channels == nil {
		o.Channels = []sensor.Channel{
			{Name: "total", Address: energy, Part: "total", Scale: scale(t, "0.1kWh"), Wraps: 1 << 32},
			{Name: "power", Address: power[1:], Part: "power", Scale: scale(t, "0.01kW")},
		}
	}
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestConformance(t *testing.T) {
	for name, o := range map[string]Options{
		"v2c": {Secret: community},
		"v3":  {User: "reader", Secret: passwords, Address: "?auth=sha256&priv=aes"},
	} {
		t.Run(name, func(t *testing.T) {
			sensor.Conform(t, func(t *testing.T) *sensor.Bench {
				a := newAgent(t)
				count := 1234500
				return &sensor.Bench{
					Draw: func() {
						count += 3
						a.set(t, energy, "gauge", strconv.Itoa(count))
					},
					Cut:    a.stop,
					Mend:   func() { a.start(t) },
					Open:   func(t *testing.T) sensor.Source { return a.open(t, o) },
					Secret: strings.Fields(o.Secret)[0],
				}
			})
		})
	}
}

func TestValues(t *testing.T) {
	a := newAgent(t)
	s := a.open(t, Options{Secret: community, Channels: []sensor.Channel{
		{Name: "a", Address: energy, Scale: scale(t, "0.1kWh")},
		{Name: "b", Address: power, Scale: scale(t, "0.01kW")},
		{Name: "c", Address: text, Scale: scale(t, "kWh")},
		{Name: "d", Address: big, Scale: scale(t, "mJ")},
		{Name: "e", Address: tree + ".77.1", Scale: scale(t, "W")},
		{Name: "f", Address: ".1.3.6.1.2.1.1.2.0", Scale: scale(t, "W")}, // sysObjectID
	}})
	defer s.Close()
	out, err := s.Read(t.Context())
	if err == nil || len(out) != 4 {
		t.Fatalf("%d samples, %v", len(out), err)
	}
	if out[0].Count != 1234500 || out[0].Tick != 360_000_000_000 || out[1].Power != 5_430_000 || out[2].Count != 130_197_600_000 || out[3].Count != 1<<64-1 {
		t.Errorf("%+v", out)
	}
}

func TestCredentials(t *testing.T) {
	a := newAgent(t)
	for name, c := range map[string]struct {
		o    Options
		kind fault.Kind
	}{
		"another community":    {Options{Secret: "other"}, fault.Unavailable},
		"another passphrase":   {Options{User: "reader", Secret: "authenticates-badly keeps-it-private", Address: "?auth=sha256"}, fault.Denied},
		"unknown user":         {Options{User: "writer", Secret: passwords, Address: "?auth=sha256"}, fault.Denied},
		"another privacy":      {Options{User: "reader", Secret: "authenticates-well keeps-it-public", Address: "?auth=sha256"}, fault.Unavailable},
		"nothing but a packet": {Options{User: "reader", Secret: passwords, Address: "?auth=sha256&priv=none"}, fault.Denied},
	} {
		s := a.open(t, c.o)
		_, err := s.Read(t.Context())
		s.Close()
		if err == nil || fault.KindOf(err) != c.kind {
			t.Errorf("%s: %v, want %v", name, err, c.kind)
		}
		for _, word := range strings.Fields(c.o.Secret) {
			if err != nil && word != "other" && strings.Contains(err.Error(), word) {
				t.Errorf("%s: the error shows the secret: %v", name, err)
			}
		}
	}
}

func TestDeclarations(t *testing.T) {
	channels := []sensor.Channel{{Name: "a", Address: energy, Scale: scale(t, "W")}}
	for _, o := range []Options{
		{Address: "", Secret: "x", Channels: channels},
		{Address: "h:161", Channels: channels},
		{Address: "h:99999", Secret: "x", Channels: channels},
		{Address: "h?auth=sha", Secret: "x", Channels: channels},
		{Address: "h?auth=rot13", User: "u", Secret: passwords, Channels: channels},
		{Address: "h", User: "u", Secret: "short", Channels: channels},
		{Address: "h", Secret: "x", Channels: []sensor.Channel{{Name: "a", Address: "sysUpTime.0", Scale: scale(t, "W")}}},
		{Address: "h", Secret: "x"},
	} {
		if _, err := New(o); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%+v: %v", o, err)
		}
	}
}
