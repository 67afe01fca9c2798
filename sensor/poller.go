package sensor

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"tianfu/fault"
	"tianfu/unit"
)

// Bounds of polling.
const (
	MinEvery    = time.Second
	MaxEvery    = time.Hour
	MaxMeters   = 10_000
	MaxChannels = 4096 // of one meter
	maxBackoff  = time.Minute
	readTimeout = 10 * time.Second
	maxNotices  = 10 // of one meter in a minute; more are counted
)

// Meter is a source with how to read it.
type Meter struct {
	Name   string
	Source Source
	Every  time.Duration
	// MaxPower overrides that of DefaultRules, if above 0.
	MaxPower Milliwatts
}

// Status is how a meter is, for people.
type Status struct {
	Meter    string       `json:"meter"`
	Lost     bool         `json:"lost"`            // the last reading failed
	Since    unit.Instant `json:"-"`               // lost or found
	LastRead unit.Instant `json:"-"`               // 0 = never
	Error    string       `json:"error,omitempty"` // of the last reading, also of a part of it
	Channels int          `json:"channels"`
	Reads    uint64       `json:"reads"`
	Failures uint64       `json:"failures"`
}

// Poller reads meters side by side and hands readings on. A meter that is lost
// is tried again, less often up to once a minute; the others go on.
type Poller struct {
	deliver func(Reading)
	log     *slog.Logger
	handing sync.Mutex

	mu      sync.Mutex
	meters  []*polled
	running context.Context // nil before Run and after it
	polls   sync.WaitGroup
}

// polled is one meter with what is known of it.
type polled struct {
	Meter
	tracks map[string]*Track
	stop   context.CancelFunc // nil while it is not read

	mu     sync.Mutex
	status Status

	minute  unit.Instant // of the notices counted
	notices int
}

// NewPoller prepares to read meters. Deliver is called with every reading, from
// one goroutine at a time, and must be quick; log may be nil.
func NewPoller(meters []Meter, deliver func(Reading), log *slog.Logger) (*Poller, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	p := &Poller{deliver: deliver, log: log}
	return p, p.Set(meters)
}

// Set changes which meters are read, also while they are: one that stays the
// same, source and all, goes on; the others of before are stopped and their
// sources closed, and what is new begins. An error changes nothing.
func (p *Poller) Set(meters []Meter) error {
	if err := checkMeters(meters); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	before := map[Meter]*polled{}
	for _, m := range p.meters {
		before[m.Meter] = m
	}
	p.meters = nil
	for _, m := range meters {
		x := before[m]
		delete(before, m)
		if x == nil {
			x = &polled{Meter: m, tracks: map[string]*Track{}, status: Status{Meter: m.Name}}
		}
		p.meters = append(p.meters, x)
	}
	for _, m := range before {
		if m.stop != nil {
			m.stop() // which closes it
		} else {
			m.Source.Close()
		}
	}
	p.begin()
	return nil
}

// begin reads what is not read yet; the lock is held.
func (p *Poller) begin() {
	if p.running == nil || p.running.Err() != nil {
		return
	}
	for _, m := range p.meters {
		if m.stop != nil {
			continue
		}
		ctx, stop := context.WithCancel(p.running)
		m.stop = stop
		p.polls.Go(func() {
			defer stop()
			p.poll(ctx, m)
			m.Source.Close()
		})
	}
}

// checkMeters holds meters to their bounds.
func checkMeters(meters []Meter) error {
	if len(meters) > MaxMeters {
		return fault.Invalidf("meters", "%d meters; %d are the most", len(meters), MaxMeters)
	}
	names := map[string]bool{}
	for _, m := range meters {
		switch {
		case m.Name == "" || names[m.Name]:
			return fault.Invalidf("meter "+m.Name, "every meter needs a name of its own")
		case m.Every < MinEvery || m.Every > MaxEvery:
			return fault.New(fault.Invalid, "meter "+m.Name, fmt.Sprintf("read every %v", m.Every), fmt.Sprintf("choose from %v to %v", MinEvery, MaxEvery))
		}
		names[m.Name] = true
	}
	return nil
}

// Run reads until the context ends and then closes every source.
func (p *Poller) Run(ctx context.Context) error {
	p.mu.Lock()
	p.running = ctx
	p.begin()
	p.mu.Unlock()
	<-ctx.Done()
	p.mu.Lock() // nothing begins any more
	p.running = nil
	p.mu.Unlock()
	p.polls.Wait()
	return nil
}

// Status returns how every meter is, by name.
func (p *Poller) Status() []Status {
	var out []Status
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, m := range p.meters {
		m.mu.Lock()
		out = append(out, m.status)
		m.mu.Unlock()
	}
	slices.SortFunc(out, func(a, b Status) int { return cmp.Compare(a.Meter, b.Meter) })
	return out
}

// poll reads one meter at multiples of its interval, so that meters of one
// interval are read together and their readings cover the same time.
func (p *Poller) poll(ctx context.Context, m *polled) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	failed := 0
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		if p.readOnce(ctx, m) {
			failed = 0
		} else {
			failed++
		}
		wait := m.Every
		for i := 1; i < failed && wait < maxBackoff; i++ {
			wait = min(2*wait, max(maxBackoff, m.Every))
		}
		now := time.Now()
		timer.Reset(now.Truncate(m.Every).Add(wait).Sub(now))
	}
}

// readOnce reads a meter and hands on what follows; false when nothing came.
func (p *Poller) readOnce(ctx context.Context, m *polled) bool {
	read, cancel := context.WithTimeout(ctx, min(max(m.Every, 2*time.Second), readTimeout))
	samples, err := m.Source.Read(read)
	cancel()
	if ctx.Err() != nil {
		return true
	}
	if len(samples) > MaxChannels {
		samples, err = samples[:MaxChannels], fault.Invalidf("meter "+m.Name, "more than %d channels", MaxChannels)
	}
	p.note(m, len(samples), err)
	p.handing.Lock()
	defer p.handing.Unlock()
	for _, s := range samples {
		t := m.tracks[s.Channel]
		if t == nil {
			if len(m.tracks) >= MaxChannels {
				continue
			}
			rules := DefaultRules(s.Covers.Level, m.Every)
			if m.MaxPower > 0 {
				rules.MaxPower = m.MaxPower
			}
			t = NewTrack(rules)
			m.tracks[s.Channel] = t
		}
		step := t.Next(s)
		for _, n := range step.Notices {
			p.warn(m, s, n)
		}
		for _, r := range step.Readings {
			r.Meter = m.Name
			p.deliver(r)
		}
	}
	return len(samples) > 0
}

// note keeps the status and says when a meter is lost and when it is back.
func (p *Poller) note(m *polled, channels int, err error) {
	now := unit.Instant(time.Now().UnixNano())
	m.mu.Lock()
	defer m.mu.Unlock()
	s := &m.status
	s.Reads++
	before := s.Error
	s.Error = ""
	if err != nil {
		s.Error = err.Error()
		s.Failures++
	}
	lost := channels == 0
	switch {
	case lost && !s.Lost:
		s.Since = now
		p.log.Warn("meter lost: energies are modelled until it is back", "meter", m.Name, "error", s.Error)
	case !lost && s.Lost:
		p.log.Info("meter is back", "meter", m.Name, "away", now.Sub(s.Since).Round(time.Second))
		s.Since = now
	case !lost && err != nil && before == "" && p.mayWarn(m, now): // once: what is wrong in it may read differently every time
		p.log.Warn("meter answers in part", "meter", m.Name, "error", s.Error)
	case !lost && err == nil && before != "" && p.mayWarn(m, now):
		p.log.Info("meter answers in full again", "meter", m.Name)
	}
	if s.Lost = lost; !lost {
		s.LastRead, s.Channels = now, channels
	}
}

// warn logs what a track found, so often and no more.
func (p *Poller) warn(m *polled, s Sample, what string) {
	if p.mayWarn(m, s.At) {
		p.log.Warn("meter: "+what, "meter", m.Name, "channel", s.Channel)
	}
}

// mayWarn counts a notice of a meter, and tells whether its minute has room for it.
func (p *Poller) mayWarn(m *polled, at unit.Instant) bool {
	if at.Sub(m.minute) > time.Minute {
		if m.notices > maxNotices {
			p.log.Warn("meter: more notices of a minute are left out", "meter", m.Name, "count", m.notices-maxNotices)
		}
		m.minute, m.notices = at, 0
	}
	m.notices++
	return m.notices <= maxNotices
}
