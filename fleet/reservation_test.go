package fleet

import (
	"strings"
	"testing"
	"time"

	"tianfu/unit"
)

// TestReservationsFollowTheClock writes a nightly reservation out over the days
// on which clocks change: the window of 22:00-06:00 is 8 hours long on most
// nights, 7 in the spring and 9 in the autumn.
func TestReservationsFollowTheClock(t *testing.T) {
	w, _, err := ParseWorld("w", []byte(`name: a
sites: [{name: s, time_zone: Europe/Berlin}]
nodes: [{name: "n{1..4}", sku: a100-8, place: s}]
tenants: [{name: t}]
queues: [{name: q, tenants: [t]}]
reservations:
  - {name: night, queue: q, accelerators: 12, model: A100, days: daily, hours: "22:00-06:00"}
  - {name: course, queue: q, nodes: n1, from: "2026-03-02T09:00:00+01:00", to: "2026-03-02T12:00:00+01:00"}
`))
	if err != nil {
		t.Fatal(err)
	}
	from, _ := unit.ParseInstant("2026-03-01T00:00:00Z")
	list, err := w.Bookings(time.LoadLocation, from)
	if err != nil {
		t.Fatal(err)
	}
	if len(list) != 2 || len(list[0].Nodes) != 2 || list[0].Nodes[0] != "n3" || len(list[1].Spans) != 1 {
		t.Fatalf("%+v", list)
	}
	lengths := map[time.Duration]int{}
	for _, s := range list[0].Spans {
		lengths[s.To.Sub(s.From)]++
	}
	if lengths[7*time.Hour] != 2 || lengths[9*time.Hour] != 1 || lengths[8*time.Hour] < 390 {
		t.Errorf("windows by length: %v", lengths)
	}
	_, _, err = ParseWorld("w", []byte(`name: a
sites: [{name: s, time_zone: UTC}]
nodes: [{name: "n{1..4}", sku: a100-8, place: s}]
reservations:
  - {name: x, queue: q, count: 5, days: someday, hours: "25:00-26:00"}
`))
	for _, want := range []string{`unknown queue "q"`, `"someday" is no day`, `hours: "25:00-26:00"`, "only 4 nodes with 32 accelerators"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no fault says %s: %v", want, err)
		}
	}
}

// TestReservationsTakeOpenNodes takes the last nodes that accept work, past those
// that do not, and says how many it passed when too few are left.
func TestReservationsTakeOpenNodes(t *testing.T) {
	f := &Fleet{Nodes: []Node{{ID: "a"}, {ID: "b"}, {ID: "c", Cordoned: true}, {ID: "d", Cordoned: true, Drain: true}, {ID: "e", Health: Failed}, {ID: "f", Health: Suspect}}}
	zones := func(string) (*time.Location, error) { return time.UTC, nil }
	r := Reserve{Name: "x", Queue: "q", Count: 1, From: unit.At(10), To: unit.At(20)}
	list, err := f.Book(r, nil, zones, unit.At(0))
	if err != nil || len(list) != 1 || len(list[0].Nodes) != 1 || list[0].Nodes[0] != "b" {
		t.Errorf("%+v, %v", list, err)
	}
	r.Count = 3
	if _, err := f.Book(r, nil, zones, unit.At(0)); err == nil || !strings.Contains(err.Error(), "only 2 nodes with 0 accelerators are left for it; 4 more are cordoned") {
		t.Error(err)
	}
	r.Count, r.Nodes = 0, "c"
	if _, err := f.Book(r, nil, zones, unit.At(0)); err != nil {
		t.Errorf("one that is named is the operator's will: %v", err)
	}
}
