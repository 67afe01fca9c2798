package replay

import (
	"strings"
	"testing"
	"time"

	"tianfu/fault"
	"tianfu/sensor"
	"tianfu/unit"
)

const recorded = `time,total_kwh,feed1_w,note_w
2026-07-01T00:00:00Z,1000.5,400,1
2026-07-01T00:00:01Z,1000.6,410,1
2026-07-01T00:00:02Z,1000.7,,1
2026-07-01T00:00:03Z,1000.8,405.5,1
2026-07-01T00:00:04Z,1000.9,405.5,1
`

func covers() sensor.Covers { return sensor.Covers{Level: sensor.Rack, Path: "s/h/r1"} }

func TestConformance(t *testing.T) {
	sensor.Conform(t, func(t *testing.T) *sensor.Bench {
		return &sensor.Bench{Draw: func() {}, Open: func(t *testing.T) sensor.Source {
			s, err := Parse(strings.NewReader(strings.ReplaceAll(recorded, ",,", ",408,")), Options{Name: "m.csv", Covers: covers()})
			if err != nil {
				t.Fatal(err)
			}
			return s
		}}
	})
}

func TestReplay(t *testing.T) {
	s, err := Parse(strings.NewReader(recorded), Options{Name: "m.csv", Covers: covers()})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for range 5 {
		out, err := s.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		n += len(out)
		if last := out[len(out)-1]; last.Channel != "total" || last.Covers.String() != "rack s/h/r1 total" || last.Tick != 1000 {
			t.Errorf("%+v", last)
		}
	}
	if _, err := s.Read(t.Context()); fault.KindOf(err) != fault.Unavailable || n != 14 {
		t.Errorf("%d samples, then %v", n, err)
	}
}

func TestReplayByTheClock(t *testing.T) {
	start, _ := unit.ParseInstant("2026-07-01T00:00:00Z")
	now := start.Add(-time.Second)
	s, err := Parse(strings.NewReader(recorded), Options{Name: "m.csv", Covers: covers(), Now: func() unit.Instant { return now }})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Read(t.Context()); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("before the beginning: %v", err)
	}
	now = start.Add(1500 * time.Millisecond)
	if out, err := s.Read(t.Context()); err != nil || out[0].At != start.Add(time.Second) {
		t.Errorf("%+v %v", out, err)
	}
	now = start.Add(2 * time.Hour)
	if _, err := s.Read(t.Context()); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("after the end: %v", err)
	}
}

func TestFileErrors(t *testing.T) {
	const head = "time,total_kwh\n"
	kwh, _ := sensor.ParseScale("kWh")
	for _, c := range []struct {
		text, want string
		channels   []Channel
	}{
		{"", "m.csv: no header", nil},
		{head, "m.csv: no rows", nil},
		{"when,total_kwh\n", "m.csv:1: the columns are when,total_kwh", nil},
		{"time,total\n", `column "total" does not end with its unit`, nil},
		{"time,a_kwh,a_w\n", `channel "a" is there twice`, nil},
		{head + "2026-07-01,1\n", "m.csv:2: row:", nil},
		{head + "2026-07-01T00:00:00Z,one\n", `m.csv:2: row: total_kwh: "one" is no number`, nil},
		{head + "2026-07-01T00:00:00Z,-1\n", "m.csv:2: row: total_kwh: an energy of", nil},
		{head + "2026-07-01T00:00:00Z,\n", "m.csv:2: row: no value", nil},
		{head + "2026-07-01T00:00:00Z,1\n2026-07-01T00:00:00Z,1\n", "m.csv:3: row: is not after the row before", nil},
		{head + "2026-07-01T00:00:00Z\n", "wrong number of fields", nil},
		{head + "2026-07-01T00:00:00Z,1\n", `no column "energy"`, []Channel{{Name: "e", Column: "energy", Scale: kwh}}},
	} {
		_, err := Parse(strings.NewReader(c.text), Options{Name: "m.csv", Channels: c.channels})
		if err == nil || !strings.Contains(err.Error(), c.want) || fault.KindOf(err) == fault.Internal {
			t.Errorf("%q: %v, want %q", c.text, err, c.want)
		}
	}
	if _, err := Open("/nowhere.csv", Options{}); fault.KindOf(err) != fault.NotFound {
		t.Errorf("%v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(recorded)
	f.Add("time,a_uj\n2026-07-01T00:00:00+08:00,1e3\n")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := Parse(strings.NewReader(text), Options{Name: "m.csv"})
		if err != nil {
			if fault.KindOf(err) != fault.Invalid && fault.KindOf(err) != fault.NotFound {
				t.Fatalf("%v: %v", fault.KindOf(err), err)
			}
			return
		}
		for {
			out, err := s.Read(t.Context())
			if err != nil {
				return
			}
			if len(out) == 0 {
				t.Fatal("an empty row")
			}
		}
	})
}
