package sensor

import (
	"context"
	"strings"
	"testing"
	"time"

	"tianfu/fault"
)

// Bench is an instrument set up for the conformance suite.
type Bench struct {
	// Open makes a new source that reads the instrument.
	Open func(t *testing.T) Source
	// Draw lets every channel draw energy: counters rise, gauges stay.
	Draw func()
	// Cut makes the instrument unreachable, Mend brings it back. Both are nil for
	// one that cannot be cut off.
	Cut, Mend func()
	// Secret is what no error may show; empty where there is none.
	Secret string
}

// Conform holds a source to the promise of the port. Setup makes a bench for
// each of its tests.
func Conform(t *testing.T, setup func(t *testing.T) *Bench) {
	tests := []struct {
		name string
		run  func(*testing.T, *Bench)
	}{
		{"channels are named, sorted and stay", conformChannels},
		{"counters rise and never fall by themselves", conformRise},
		{"a context that has ended ends the read", conformContext},
		{"a lost instrument is found again", conformLost},
		{"closed is closed", conformClose},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { test.run(t, setup(t)) })
	}
}

// conformRead reads until the instrument answers; some need a moment to connect.
func conformRead(t *testing.T, s Source) []Sample {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		out, err := s.Read(ctx)
		if err == nil {
			return out
		}
		if fault.KindOf(err) != fault.Unavailable || ctx.Err() != nil {
			t.Fatalf("read: %v", err)
		}
	}
}

func (b *Bench) open(t *testing.T) Source {
	t.Helper()
	s := b.Open(t)
	t.Cleanup(func() { s.Close() })
	return s
}

func conformChannels(t *testing.T, b *Bench) {
	s := b.open(t)
	first := conformRead(t, s)
	b.Draw()
	second := conformRead(t, s)
	if len(first) == 0 || len(first) != len(second) {
		t.Fatalf("%d channels, then %d", len(first), len(second))
	}
	for i := range first {
		x, y := first[i], second[i]
		if i > 0 && first[i-1].Channel >= x.Channel {
			t.Errorf("channel %q comes after %q", x.Channel, first[i-1].Channel)
		}
		if x.Channel == "" || x.Channel != y.Channel || x.Covers != y.Covers || x.Kind != y.Kind || x.Tick != y.Tick || x.Modulus != y.Modulus {
			t.Errorf("first %+v, then %+v", x, y)
		}
		if x.Covers.Path == "" || x.Covers.Level == "" {
			t.Errorf("channel %s covers %q", x.Channel, x.Covers)
		}
		if x.At <= 0 || y.At < x.At {
			t.Errorf("channel %s was read at %v, then %v", x.Channel, x.At, y.At)
		}
	}
}

func conformRise(t *testing.T, b *Bench) {
	s := b.open(t)
	before := conformRead(t, s)
	b.Draw()
	after := conformRead(t, s)
	counters := 0
	for i, x := range before {
		if x.Kind == Gauge {
			continue
		}
		counters++
		y := after[i]
		if x.Tick <= 0 || x.Modulus > 0 && (x.Count >= x.Modulus || y.Count >= x.Modulus) {
			t.Errorf("channel %s: tick %d, modulus %d, count %d", x.Channel, x.Tick, x.Modulus, x.Count)
		}
		if y.Count <= x.Count {
			t.Errorf("channel %s: drew, and counts %d after %d", x.Channel, y.Count, x.Count)
		}
	}
	if counters == 0 && len(before) == 0 {
		t.Error("nothing was read")
	}
}

func conformContext(t *testing.T, b *Bench) {
	s := b.open(t)
	conformRead(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Read(ctx); err != nil {
		b.check(t, err, fault.Unavailable)
	}
	conformRead(t, s)
}

func conformLost(t *testing.T, b *Bench) {
	if b.Cut == nil {
		t.Skip("this instrument cannot be cut off")
	}
	s := b.open(t)
	before := conformRead(t, s)
	b.Cut()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		// What was on its way may still arrive.
		_, err := s.Read(ctx)
		if err != nil {
			b.check(t, err, fault.Unavailable)
			break
		}
		if ctx.Err() != nil {
			t.Fatal("the instrument is gone, and nobody says so")
		}
	}
	b.Mend()
	if after := conformRead(t, s); len(after) != len(before) {
		t.Errorf("%d channels before, %d after", len(before), len(after))
	}
}

func conformClose(t *testing.T, b *Bench) {
	s := b.Open(t)
	conformRead(t, s)
	s.Close()
	_, err := s.Read(t.Context())
	b.check(t, err, fault.Unavailable)
	s.Close()
	never := b.Open(t) // one that is closed before it was ever read
	never.Close()
	_, err = never.Read(t.Context())
	b.check(t, err, fault.Unavailable)
}

func (b *Bench) check(t *testing.T, err error, kind fault.Kind) {
	t.Helper()
	if err == nil || fault.KindOf(err) != kind {
		t.Errorf("error %v, want one of the kind %v", err, kind)
	}
	if err != nil && b.Secret != "" && strings.Contains(err.Error(), b.Secret) {
		t.Errorf("the error shows the secret: %v", err)
	}
}
