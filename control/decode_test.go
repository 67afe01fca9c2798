package control_test

import (
	"bytes"
	"testing"
	"time"

	"tianfu/control"
	"tianfu/fault"
)

// TestRecordsRoundTrip decodes every record of random centres and encodes it
// again, then recovers from the decoded ones.
func TestRecordsRoundTrip(t *testing.T) {
	for seed := range uint64(40) {
		c, err := newScenario(seed)
		if err != nil {
			t.Fatal(err)
		}
		var back []control.Record
		for range 40 {
			c.now = c.now.Add(time.Duration(1+c.rng.IntN(20)) * time.Second)
			c.follow(c.state.Step(c.now, c.batch()))
		}
		for i := range c.records {
			b := control.AppendRecord(nil, &c.records[i])
			r, err := control.DecodeRecord(b)
			if err != nil {
				t.Fatalf("seed %d record %d: %v", seed, i, err)
			}
			if again := control.AppendRecord(nil, &r); !bytes.Equal(b, again) {
				t.Fatalf("seed %d record %d: %x became %x", seed, i, b, again)
			}
			for cut := range len(b) {
				if _, err := control.DecodeRecord(b[:cut]); err == nil && i%50 == 0 {
					t.Fatalf("seed %d record %d: the first %d of %d bytes are a record too", seed, i, cut, len(b))
				}
			}
			back = append(back, r)
		}
		checkRecovery(t, c.state, back)
	}
}

// FuzzDecodeRecord: no panic, no memory beyond the input, an error with a kind,
// and what is accepted is encoded and decoded to itself.
func FuzzDecodeRecord(f *testing.F) {
	c, err := newScenario(3)
	if err != nil {
		f.Fatal(err)
	}
	for range 20 {
		c.now = c.now.Add(10 * time.Second)
		c.follow(c.state.Step(c.now, c.batch()))
	}
	for i := range c.records {
		f.Add(control.AppendRecord(nil, &c.records[i]))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := control.DecodeRecord(b)
		if err != nil {
			if fault.KindOf(err) != fault.Invalid {
				t.Fatalf("damage is %v: %v", fault.KindOf(err), err)
			}
			return
		}
		once := control.AppendRecord(nil, &r)
		again, err := control.DecodeRecord(once)
		if err != nil {
			t.Fatalf("what was encoded is not decoded: %v", err)
		}
		if !bytes.Equal(once, control.AppendRecord(nil, &again)) {
			t.Fatal("a record does not keep")
		}
	})
}
