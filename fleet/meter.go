package fleet

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"tianfu/unit"
)

// Bounds of declared meters.
const (
	maxMeters        = 10_000
	maxMeterChannels = 256 // declared for one meter
	minEvery         = time.Second
	maxEvery         = time.Hour
	defaultEvery     = time.Second
)

// Meter is an instrument that an operator declares: what it covers and how it is
// read. What a key means for each kind is in docs/meters.md.
type Meter struct {
	at
	Name   string
	Kind   string // one of MeterKinds
	Covers string // a node's name, or an area's path
	// Address is host:port, a URL or a file; empty for what is in this machine.
	Address  string
	Every    time.Duration // how often it is read
	MaxPower unit.Watts    // more is an outlier; 0 = by what it covers
	UnitID   int           // of Modbus
	User     string
	// SecretEnv names the environment variable that holds the password,
	// community or token. The file never holds it.
	SecretEnv   string
	CA          string // certificates that sign the instrument's, a PEM file
	Fingerprint string // SHA-256 of the instrument's certificate, hexadecimal
	// Solar: it reads what is made on the site that it covers, not what is drawn.
	Solar    bool
	Channels []MeterChannel

	level string
}

// MeterChannel is one value of an instrument.
type MeterChannel struct {
	at
	Name    string
	Address string // a register, object identifier, topic or column
	Field   string // of a message: the value's path
	Type    string // of a register
	Unit    string // with a factor if need be: kWh, 0.1kWh, W
	Wraps   string // where a counter begins again: 2^32; empty = never
	Part    string // tells channels apart that add up to what the meter covers
}

// MeterKinds are the kinds of instrument.
var MeterKinds = []string{"rapl", "nvml", "redfish", "modbus", "snmp", "mqtt", "csv"}

// Level returns what the meter covers: node, rack, row, hall, building or site.
func (m *Meter) Level() string { return m.level }

// meters checks what is declared; it comes after nodes and areas.
func (b *builder) meters() {
	if n := len(b.w.Meters); n > maxMeters {
		b.fail(b.w.Meters[maxMeters].line, "", "%d meters; %d are the most", n, maxMeters)
		return
	}
	seen := map[string]bool{}
	for i := range b.w.Meters {
		m := &b.w.Meters[i]
		if m.Name == "" || len(m.Name) > maxName || seen[m.Name] {
			b.fail(m.line, "give it a name of its own", "meter %s has no name, or that of another", strconv.Quote(m.Name))
		}
		seen[m.Name] = true
		b.meter(m)
	}
}

func (b *builder) meter(m *Meter) {
	if !slices.Contains(MeterKinds, m.Kind) {
		b.fail(m.line, "known: "+strings.Join(MeterKinds, ", "), "meter %s is of the unknown kind %q", m.Name, m.Kind)
	}
	if k, ok := b.areaAt[m.Covers]; ok {
		m.level = b.areas[k].level
	} else if _, ok := b.nodeAt[m.Covers]; ok {
		m.level = "node"
	} else {
		b.fail(m.line, "name a node, or an area as site/building/hall/row/rack", "meter %s covers %q, which is not there", m.Name, m.Covers)
	}
	if m.Solar && m.level != "" && (m.level != "site" || m.Kind == "rapl" || m.Kind == "nvml") {
		b.fail(m.line, "let it cover the site, and be read by another kind than rapl and nvml", "meter %s sees what is made and covers %q", m.Name, m.Covers)
	}
	if k, ok := b.areaAt[m.Covers]; ok && m.Solar && b.areas[k].limit == 0 {
		b.warn(m.line, "give the site power:, or leave solar: out", "meter %s sees what site %s makes, and the site has no limit that it could raise", m.Name, m.Covers)
	}
	if m.Every == 0 {
		m.Every = defaultEvery
	}
	if m.Every < minEvery || m.Every > maxEvery {
		b.fail(m.line, "choose from 1s to 1h", "meter %s is read every %v", m.Name, m.Every)
	}
	if !variable(m.SecretEnv) {
		b.fail(m.line, "secret_env names a variable, such as PDU_COMMUNITY; the secret itself stays out of the file", "meter %s: secret_env is not the name of an environment variable", m.Name)
	}
	if len(m.Channels) > maxMeterChannels {
		b.fail(m.line, "", "meter %s has %d channels; %d are the most", m.Name, len(m.Channels), maxMeterChannels)
		return
	}
	channels := map[string]bool{}
	for i := range m.Channels {
		c := &m.Channels[i]
		if c.Name == "" || len(c.Name) > maxName || channels[c.Name] {
			b.fail(c.line, "give it a name of its own", "channel %s of meter %s has no name, or that of another", strconv.Quote(c.Name), m.Name)
		}
		channels[c.Name] = true
	}
}

// variable says whether a text may name an environment variable, or is empty.
func variable(s string) bool {
	for i, r := range s {
		if r != '_' && !(r >= 'A' && r <= 'Z') && !(i > 0 && r >= '0' && r <= '9') {
			return false
		}
	}
	return len(s) <= 128
}
