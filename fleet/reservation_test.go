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
