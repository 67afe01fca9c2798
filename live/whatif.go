package live

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"tianfu/control"
	"tianfu/energy"
	"tianfu/fault"
	"tianfu/fleet"
	"tianfu/sim"
	"tianfu/store"
	"tianfu/unit"
)

// maxRetraced bounds the jobs of a period that is run again.
const maxRetraced = 500_000

// whatIfs keeps what-ifs to one at a time: each takes a core for as long as the
// period takes to run twice.
type whatIfs struct{ busy sync.Mutex }

// Period reads the name of a period that ends now: last-hour, last-day,
// last-week, last-month, or a span such as 36h.
func Period(text string) (time.Duration, error) {
	switch text {
	case "last-hour":
		return time.Hour, nil
	case "last-day":
		return 24 * time.Hour, nil
	case "last-week":
		return 7 * 24 * time.Hour, nil
	case "last-month":
		return 30 * 24 * time.Hour, nil
	}
	d, err := unit.ParseDuration(text)
	if err != nil || d < time.Minute || d > 366*24*time.Hour {
		return 0, fault.New(fault.Invalid, "against", fmt.Sprintf("%q is no period", text), "write last-hour, last-day, last-week, last-month, or a span such as 36h, from a minute to a year")
	}
	return d, nil
}

// WhatIf runs a recorded period of the centre again, as it was and changed. It
// reads the records and the configuration; the centre itself is not touched.
func (c *Centre) WhatIf(ctx context.Context, change, against string) (*sim.WhatIf, error) {
	span, err := Period(against)
	if err != nil {
		return nil, err
	}
	if _, err := sim.ParseChanges(change); err != nil {
		return nil, err
	}
	if !c.whatIfs.busy.TryLock() {
		return nil, fault.New(fault.Exhausted, "what-if", "another one is being worked out", "try again when it is done")
	}
	f, _, err := c.freeze(ctx, 0)
	if err != nil {
		c.whatIfs.busy.Unlock()
		return nil, err
	}
	type result struct {
		w   *sim.WhatIf
		err error
	}
	done := make(chan result, 1)
	go func() {
		defer c.whatIfs.busy.Unlock()
		w, err := c.whatIf(f, span, change, against)
		done <- result{w, err}
	}()
	select {
	case r := <-done:
		return r.w, r.err
	case <-ctx.Done():
		return nil, fault.New(fault.Unavailable, "what-if", "the request was given up", "ask for a shorter period")
	}
}

// WhatIfOf answers the same of a store that no centre runs on, such as a backup's:
// for a span that ends with its last record, or for all of its records if the
// span is 0.
func WhatIfOf(ctx context.Context, s store.Store, span time.Duration, change, against string) (*sim.WhatIf, error) {
	if _, err := sim.ParseChanges(change); err != nil {
		return nil, err
	}
	first, last := s.Bounds()
	if last < first {
		return nil, fault.New(fault.Invalid, "against", "holds no records", "name a backup of a centre that has run")
	}
	c := &Centre{o: Options{Store: s, Logger: slog.New(slog.DiscardHandler)}}
	state, err := c.recover(ctx)
	if err != nil {
		return nil, err
	}
	c.o.Now = state.Now
	if span == 0 {
		begin, err := c.firstInstant(ctx)
		if err != nil {
			return nil, err
		}
		span = state.Now().Sub(begin) + time.Second
	}
	return c.whatIf(state.Freeze(), span, change, against)
}

// firstInstant is when the first record that is kept was made.
func (c *Centre) firstInstant(ctx context.Context) (at unit.Instant, err error) {
	first, _ := c.o.Store.Bounds()
	err = c.o.Store.Read(ctx, first, func(_ uint64, b []byte) (err error) {
		if at, err = control.InstantOf(b); err == nil {
			err = errEnough
		}
		return err
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return at, err
}

func (c *Centre) whatIf(f *control.Frozen, span time.Duration, change, against string) (*sim.WhatIf, error) {
	s := f.State()
	cfg := s.Config()
	now := max(c.o.Now(), f.Now())
	begin, err := c.firstInstant(context.Background())
	if err != nil {
		return nil, err
	}
	begin = max(now.Add(-span), begin)
	h := sim.RetraceFrom(begin, func(n int32) fleet.NodeID { return s.Capacity().Node(n).ID })
	first, _ := c.o.Store.Bounds()
	err = c.o.Store.Read(context.Background(), first, func(_ uint64, b []byte) error {
		r, err := control.DecodeRecord(b)
		if err == nil {
			h.See(&r, s.Summary)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	w, events := h.Workload(against, now)
	switch {
	case len(w.Jobs) == 0:
		return nil, fault.New(fault.Invalid, "against", "nothing was submitted or ran in that period", "choose a longer one")
	case len(w.Jobs) > maxRetraced:
		return nil, fault.New(fault.Invalid, "against", fmt.Sprintf("%d jobs are too many to run again at once", len(w.Jobs)), "choose a shorter period")
	}
	p := sim.TimedParams{Fleet: cfg.Fleet, Rank: cfg.Rank, Power: cfg.Power, Workload: w, Policy: cfg.Policy, Rules: cfg.Rules,
		Params: cfg.Params, Queueing: cfg.Queueing, Tree: cfg.Tree, Bookings: cfg.Bookings, Deferring: cfg.Deferring, Opening: begin, PeriodEnd: now, Events: events, Estimate: sim.AsTold, Hours: hoursOf(s, cfg)}
	if p.Hours != nil {
		p.Metering = control.Metering{Every: time.Hour}
	}
	return sim.CompareChange(p, change, against, nil)
}

// hoursOf is what the centre knows of what hours at its sites cost.
func hoursOf(s *control.State, cfg *control.Config) map[string][]energy.SiteHour {
	var out map[string][]energy.SiteHour
	for i := range cfg.Fleet.Nodes {
		site := cfg.Fleet.Nodes[i].Place.Site
		if hours := s.SiteHours(site); len(hours) > 0 && out[site] == nil {
			if out == nil {
				out = map[string][]energy.SiteHour{}
			}
			out[site] = hours
		}
	}
	return out
}
