package sensor

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"tianfu/fault"
	"tianfu/unit"
)

// plug draws 100 W and can be pulled.
type plug struct {
	begun  time.Time
	pulled atomic.Bool
	hangs  atomic.Bool
	reads  atomic.Int64
	closed bool
}

func (p *plug) Read(ctx context.Context) ([]Sample, error) {
	p.reads.Add(1)
	if p.hangs.Load() {
		<-ctx.Done()
		return nil, fault.New(fault.Unavailable, "plug", ctx.Err().Error(), "")
	}
	if p.pulled.Load() {
		return nil, fault.New(fault.Unavailable, "plug", "is pulled", "")
	}
	if p.begun.IsZero() {
		p.begun = time.Now()
	}
	at := time.Now()
	return []Sample{{Channel: "total", Covers: Covers{Level: Node, Path: "n1"}, At: unit.Instant(at.UnixNano()), Tick: 1, Count: uint64(at.Sub(p.begun).Milliseconds()) * 100_000}}, nil
}

func (p *plug) Close() error { p.closed = true; return nil }

// TestPollerOverALoss: a meter that is lost is said to be, is tried less often,
// comes back by itself, and no energy is lost; another goes on meanwhile.
func TestPollerOverALoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := &plug{}, &plug{}
		var log bytes.Buffer
		var readings []Reading
		p, err := NewPoller([]Meter{{Name: "a", Source: a, Every: time.Second}, {Name: "b", Source: b, Every: 2 * time.Second}},
			func(r Reading) { readings = append(readings, r) }, slog.New(slog.NewTextHandler(&log, nil)))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		go p.Run(ctx)
		time.Sleep(10*time.Second + 10*time.Millisecond)
		a.pulled.Store(true)
		before := a.reads.Load()
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if n := a.reads.Load() - before; n > 25 {
			t.Errorf("a lost meter is asked %d times in ten minutes", n)
		}
		if s := p.Status(); len(s) != 2 || !s[0].Lost || s[0].Error != "plug: is pulled" || s[1].Lost || s[1].Channels != 1 {
			t.Errorf("%+v", s)
		}
		a.pulled.Store(false)
		time.Sleep(2 * time.Minute)
		b.hangs.Store(true)
		time.Sleep(time.Minute)
		cancel()
		synctest.Wait()
		if !a.closed || !b.closed {
			t.Error("a source is left open")
		}
		check := func(name string) {
			sum, bridged := int64(0), 0
			var from, to unit.Instant
			for _, r := range readings {
				if r.Meter != name {
					continue
				}
				if from == 0 {
					from, to = r.From, r.From
				}
				if r.From != to {
					t.Errorf("meter %s: a reading from %v, the one before ended at %v", name, r.From, to)
				}
				to = r.To
				sum += int64(r.Energy)
				if r.Quality == Bridged {
					bridged++
				}
			}
			if sum != 100*to.Sub(from).Milliseconds() || to.Sub(from) < 10*time.Minute {
				t.Errorf("meter %s: %d mJ in %v", name, sum, to.Sub(from))
			}
			if (name == "a") != (bridged == 1) {
				t.Errorf("meter %s: %d readings over a gap", name, bridged)
			}
		}
		check("a")
		check("b")
		for _, want := range []string{`"meter lost: energies are modelled until it is back" meter=a error="plug: is pulled"`, `"meter is back" meter=a`} {
			if strings.Count(log.String(), want) != 1 {
				t.Errorf("said other than once: %s in\n%s", want, &log)
			}
		}
	})
}

func TestPollerRefuses(t *testing.T) {
	for _, c := range []struct {
		meters []Meter
		want   string
	}{
		{[]Meter{{Every: time.Second}}, "a name of its own"},
		{[]Meter{{Name: "a", Every: time.Second}, {Name: "a", Every: time.Second}}, "a name of its own"},
		{[]Meter{{Name: "a", Every: time.Millisecond}}, "read every 1ms; choose from 1s"},
	} {
		if _, err := NewPoller(c.meters, nil, nil); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, want %s", err, c.want)
		}
	}
}

// half answers with one channel, and for a while with an error beside it that reads
// differently every time.
type half struct {
	plug
	broken atomic.Bool
}

func (h *half) Read(ctx context.Context) ([]Sample, error) {
	s, err := h.plug.Read(ctx)
	if h.broken.Load() {
		err = fault.New(fault.Unavailable, "half", "rubbish "+strings.Repeat("x", int(h.reads.Load())%7), "")
	}
	return s, err
}

// TestPollerSaysOnceWhatIsInPart: a meter that sends rubbish beside what is right is
// said to once, whatever the rubbish is, and said to be whole again.
func TestPollerSaysOnceWhatIsInPart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &half{}
		var log bytes.Buffer
		p, err := NewPoller([]Meter{{Name: "h", Source: h, Every: time.Second}}, func(Reading) {}, slog.New(slog.NewTextHandler(&log, nil)))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		go p.Run(ctx)
		for _, broken := range []bool{false, true, false} {
			h.broken.Store(broken)
			time.Sleep(time.Minute + 10*time.Millisecond)
		}
		cancel()
		synctest.Wait()
		for _, want := range []string{`"meter answers in part" meter=h error="half: rubbish`, `"meter answers in full again" meter=h`} {
			if strings.Count(log.String(), want) != 1 {
				t.Errorf("said other than once: %s in\n%s", want, &log)
			}
		}
	})
}
