package sim

import (
	"testing"
	"time"

	"tianfu/job"
	"tianfu/unit"
)

// TestPastOfWorkThatAskedAsMuchTells holds that run times are drawn from past work
// that asked as much, where enough of it has ended.
func TestPastOfWorkThatAskedAsMuchTells(t *testing.T) {
	spec := func(devices int) *job.Spec {
		return &job.Spec{Tenant: "a", Groups: []job.Group{{Count: 1, Request: job.Request{Accelerators: devices, Share: unit.Whole, CPU: 1000}}}}
	}
	var past []Past
	for i := range 400 {
		p := Past{Spec: spec(1), Run: 10 * time.Hour, Ended: unit.Instant(i-1000) * 1e9, Number: 4} // told five times as much
		if i%2 == 0 {
			p = Past{Spec: spec(8), Run: 40 * time.Hour, Ended: p.Ended, Number: 0} // told truly
		}
		past = append(past, p)
	}
	h := NewRunTimes()
	h.remember(past, OneToFive)
	h.since = unit.Instant(-100 * 24 * time.Hour) // all of them were seen from their start
	o := &Outlook{since: h.since, ratios: kinds[ratioKey]{h.ratios, nil, map[ratioKey]*curve{}, priorRatios}}
	const told = 45 * time.Hour
	if one, eight := o.Draw(spec(1), told, 0, .5), o.Draw(spec(8), told, 0, .5); one != told/5 || eight != told {
		t.Errorf("one device %v, eight %v of %v told; want %v and %v", one, eight, told, told/5, told)
	}
	// Nobody asked for four: both kinds tell, one half each.
	if low, high := o.Draw(spec(4), told, 0, .3), o.Draw(spec(4), told, 0, .7); low != told/5 || high != told {
		t.Errorf("four devices from %v to %v, want %v and %v", low, high, told/5, told)
	}
}

// TestWorkUnderWayIsKnownFromItsAge holds that work that ran before the centre was
// opened is drawn for its whole time.
func TestWorkUnderWayIsKnownFromItsAge(t *testing.T) {
	h := NewRunTimes()
	h.Ages = []time.Duration{0, 3 * time.Hour}
	for id, want := range []time.Duration{0, 0, 3 * time.Hour, 0} {
		if got := h.age(job.ID(id)); got != want {
			t.Errorf("job %d: age %v, want %v", id, got, want)
		}
	}
}
