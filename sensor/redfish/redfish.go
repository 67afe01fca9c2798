// Package redfish reads what servers, chassis and power strips tell over DMTF
// Redfish: energy and power of EnvironmentMetrics, Power, PowerSubsystem and
// RackPDUs. It owns which of them are read where nobody says (find.go) and the
// few requests that takes (client.go); it changes nothing but its own session.
// Read this file first.
package redfish

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"tianfu/fault"
	"tianfu/sensor"
	"tianfu/unit"
)

// Options say which service is read and what of it.
type Options struct {
	Address      string // https://host, or host
	User, Secret string
	CA           string
	Fingerprint  string
	Covers       sensor.Covers
	Channels     []sensor.Channel // empty: what the service shows, see find.go
}

// Source reads one service.
type Source struct {
	client   *client
	covers   sensor.Covers
	channels []sensor.Channel // found at the first Read unless declared; then they stay
	closed   bool
}

// New checks what is declared; it does not connect.
func New(o Options) (*Source, error) {
	c, err := newClient(o)
	if err != nil {
		return nil, err
	}
	s := &Source{client: c, covers: o.Covers}
	if len(o.Channels) == 0 {
		return s, nil
	}
	if s.channels, err = sensor.SortChannels(o.Channels); err != nil {
		return nil, err
	}
	for _, ch := range s.channels {
		if !resource(ch.Address) || ch.Field == "" {
			return nil, fault.New(fault.Invalid, "channel "+ch.Name, "needs a resource and a field", "address: /redfish/v1/Chassis/1/EnvironmentMetrics, field: EnergykWh.Reading")
		}
	}
	return s, nil
}

// Read gets every resource that channels are read from, each once.
func (s *Source) Read(ctx context.Context) ([]sensor.Sample, error) {
	if s.closed {
		return nil, fault.New(fault.Unavailable, s.client.root, "is closed", "")
	}
	if err := ctx.Err(); err != nil {
		return nil, fault.New(fault.Unavailable, s.client.root, err.Error(), "")
	}
	if len(s.channels) == 0 {
		found, err := s.find(ctx)
		if err != nil {
			return nil, err
		}
		if s.channels, err = sensor.SortChannels(found); err != nil {
			return nil, err
		}
	}
	type answer struct {
		doc document
		at  unit.Instant
		err error
	}
	answers := map[string]answer{}
	var out []sensor.Sample
	var failed error
	for i := range s.channels {
		c := &s.channels[i]
		a, ok := answers[c.Address]
		if !ok {
			a.doc, a.err = s.client.get(ctx, c.Address)
			a.at = unit.Instant(time.Now().UnixNano())
			answers[c.Address] = a
		}
		if a.err != nil {
			failed = a.err
			if fault.KindOf(a.err) == fault.Unavailable {
				break // it is gone: do not wait for every resource
			}
			continue
		}
		text, err := a.doc.number(c.Field)
		if err != nil {
			failed = fault.Wrap(err, s.client.root+c.Address, "")
			continue
		}
		sample, err := c.Decimal(text, s.covers, a.at)
		if err != nil {
			failed = fault.Wrap(err, s.client.root+c.Address, "")
			continue
		}
		out = append(out, sample)
	}
	return out, failed
}

// Close ends the session.
func (s *Source) Close() error {
	if !s.closed {
		s.closed = true
		s.client.logout()
	}
	return nil
}

// document is a resource as the service sent it.
type document map[string]any

// at returns what lies at a path such as EnergykWh.Reading or
// PowerControl.0.PowerConsumedWatts; nil where there is nothing.
func (d document) at(path string) any {
	var v any = map[string]any(d)
	for key := range strings.SplitSeq(path, ".") {
		switch at := v.(type) {
		case map[string]any:
			v = at[key]
		case []any:
			i := -1
			if _, err := fmt.Sscanf(key, "%d", &i); err != nil || i < 0 || i >= len(at) {
				return nil
			}
			v = at[i]
		default:
			return nil
		}
	}
	return v
}

// number returns the number at a path. Services send null for what they cannot
// tell now.
func (d document) number(path string) (string, error) {
	v := d.at(path)
	if n, ok := v.(json.Number); ok {
		return n.String(), nil
	}
	if v == nil && d.at(parent(path)) != nil {
		return "", fault.New(fault.Unavailable, "", path+" is null: not told at present", "")
	}
	return "", fault.New(fault.NotFound, "", "has no number at "+path, "see the resource in the service's own pages")
}

func parent(path string) string {
	i := strings.LastIndexByte(path, '.')
	return path[:max(i, 0)]
}

// link returns where the resource at a path is; empty where there is none.
func (d document) link(path string) string {
	m, _ := d.at(path).(map[string]any)
	s, _ := m["@odata.id"].(string)
	if !resource(s) {
		return ""
	}
	return s
}

// links returns where the members of a list are.
func (d document) links(path string) []string {
	list, _ := d.at(path).([]any)
	var out []string
	for _, v := range list {
		m, _ := v.(map[string]any)
		if s, _ := m["@odata.id"].(string); resource(s) {
			out = append(out, s)
		}
	}
	return out
}

// resource says whether a text is a path within a Redfish service.
func resource(path string) bool {
	return strings.HasPrefix(path, "/redfish/") && len(path) <= 512 && !strings.ContainsAny(path, "\\ \r\n") && !strings.Contains(path, "..")
}
