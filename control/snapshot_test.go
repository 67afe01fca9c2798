package control_test

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"tianfu/control"
)

func snapshot(t testing.TB, s *control.State) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := s.Freeze().Encode(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestSnapshotGoesOnAlike writes and reads random centres at random instants
// and drives both with the same inputs: from then on their records are equal,
// and so are their snapshots. Recovery from the snapshot and the records after
// it gives the same state as the fold of all.
func TestSnapshotGoesOnAlike(t *testing.T) {
	seeds := 120
	if testing.Short() {
		seeds = 40
	}
	for seed := range uint64(seeds) {
		c, err := newPowered(3000 + seed)
		if err != nil {
			t.Fatal(err)
		}
		var twin *control.State
		var image []byte
		cut, kept := 3+int(seed%45), 0
		for step := range 60 {
			if step == cut {
				image, kept = snapshot(t, c.state), len(c.records)
				if twin, err = control.DecodeSnapshot(bytes.NewReader(image)); err != nil {
					t.Fatalf("seed %d policy %s: %v", 3000+seed, c.cfg.Policy, err)
				}
				if a, b := c.state.Describe(), twin.Describe(); a != b {
					t.Fatalf("seed %d policy %s: read back as\n%s\nwas\n%s", 3000+seed, c.cfg.Policy, b, a)
				}
				if again := snapshot(t, twin); !bytes.Equal(again, image) {
					t.Fatalf("seed %d policy %s: %d bytes were written again as %d", 3000+seed, c.cfg.Policy, len(image), len(again))
				}
			}
			c.now = c.now.Add(time.Duration(1+c.rng.IntN(20)) * time.Second)
			in := c.batch()
			o := c.state.Step(c.now, slices.Clone(in))
			if twin != nil {
				o2 := twin.Step(c.now, slices.Clone(in))
				if a, b := render(o.Records), render(o2.Records); a != b {
					t.Fatalf("seed %d step %d policy %s (snapshot at step %d): records differ\nlive\n%s\nread back\n%s", 3000+seed, step, c.cfg.Policy, cut, a, b)
				}
			}
			c.follow(o)
		}
		if !bytes.Equal(snapshot(t, c.state), snapshot(t, twin)) {
			t.Fatalf("seed %d policy %s: the snapshots at the end differ", 3000+seed, c.cfg.Policy)
		}
		checkRecoveryFrom(t, c, image, kept)
	}
}

// checkRecoveryFrom recovers from a snapshot and the records after it.
func checkRecoveryFrom(t *testing.T, c *scenario, image []byte, kept int) {
	t.Helper()
	s, err := control.DecodeSnapshot(bytes.NewReader(image))
	if err != nil {
		t.Fatal(err)
	}
	v := control.RecoverFrom(s)
	for i := range c.records[kept:] {
		if err := v.Add(&c.records[kept+i]); err != nil {
			t.Fatal(err)
		}
	}
	short, err := v.State()
	if err != nil {
		t.Fatal(err)
	}
	long, err := control.Recover(c.records)
	if err != nil {
		t.Fatal(err)
	}
	if a, b := long.Describe(), short.Describe(); a != b {
		t.Fatalf("policy %s: recovered from the records\n%s\nfrom the snapshot\n%s", c.cfg.Policy, a, b)
	}
}

// TestFrozenStaysAsItWas freezes a centre, lets it go on, and writes it then.
func TestFrozenStaysAsItWas(t *testing.T) {
	for seed := range uint64(40) {
		c, err := newPowered(7000 + seed)
		if err != nil {
			t.Fatal(err)
		}
		var frozen *control.Frozen
		var want []byte
		for step := range 50 {
			if step == 20 {
				frozen, want = c.state.Freeze(), snapshot(t, c.state)
			}
			c.now = c.now.Add(time.Duration(1+c.rng.IntN(20)) * time.Second)
			c.follow(c.state.Step(c.now, c.batch()))
		}
		var b bytes.Buffer
		if err := frozen.Encode(&b); err != nil || !bytes.Equal(b.Bytes(), want) {
			t.Fatalf("seed %d policy %s: what was frozen changed; %v", 7000+seed, c.cfg.Policy, err)
		}
	}
}

// TestSnapshotRefusesOthers reads what is cut short, of a newer version, or not
// a snapshot.
func TestSnapshotRefusesOthers(t *testing.T) {
	c, err := newScenario(1)
	if err != nil {
		t.Fatal(err)
	}
	for range 30 {
		c.now = c.now.Add(10 * time.Second)
		c.follow(c.state.Step(c.now, c.batch()))
	}
	image := snapshot(t, c.state)
	for n := 0; n < len(image); n += 1 + n/50 {
		if _, err := control.DecodeSnapshot(bytes.NewReader(image[:n])); err == nil {
			t.Fatalf("%d of %d bytes were taken", n, len(image))
		}
	}
	newer := append([]byte{control.SnapshotVersion + 1}, image[1:]...)
	if _, err := control.DecodeSnapshot(bytes.NewReader(newer)); err == nil {
		t.Fatal("a newer version was taken")
	}
	for i := range image { // no panic, whatever it reads
		broken := bytes.Clone(image)
		broken[i] ^= 0x55
		control.DecodeSnapshot(bytes.NewReader(broken))
	}
}

// BenchmarkFreeze copies a centre with many jobs, as a snapshot does while
// submits wait.
func BenchmarkFreeze(b *testing.B) {
	c, err := newScenario(1)
	if err != nil {
		b.Fatal(err)
	}
	for len(c.jobs) < 20_000 {
		c.now = c.now.Add(time.Second)
		c.state.Step(c.now, c.batch())
	}
	for b.Loop() {
		c.state.Freeze()
	}
}
