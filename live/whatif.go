package live

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"tianfu/control"
	"tianfu/energy"
	"tianfu/fault"
	"tianfu/fleet"
	"tianfu/job"
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

// Question asks what a period would have been like.
type Question struct {
	Change  string
	Against string        // name of the period
	Span    time.Duration // its length, up to the last record; 0 = all records
	Aids    *sim.Aids     // what the change names; nil = nothing
}

// WhatIf runs a recorded period of the centre again, as it was and changed, with
// the texts of files that the change names. It reads the records and the
// configuration; the centre itself is not touched.
func (c *Centre) WhatIf(ctx context.Context, change, against string, files map[string][]byte) (*sim.WhatIf, error) {
	span, err := Period(against)
	if err != nil {
		return nil, err
	}
	if _, err := sim.ParseChanges(change); err != nil {
		return nil, err
	}
	q := Question{change, against, span, &sim.Aids{Files: files, Sites: c.signals.plants()}}
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
		w, err := c.whatIf(f, &q)
		c.whatIfs.busy.Unlock() // before the answer: who has it may ask the next
		done <- result{w, err}
	}()
	select {
	case r := <-done:
		return r.w, r.err
	case <-ctx.Done():
		return nil, fault.New(fault.Unavailable, "what-if", "the request was given up", "ask for a shorter period")
	}
}

// WhatIfOf answers a question about a store that no centre runs on, such as a
// backup's.
func WhatIfOf(ctx context.Context, s store.Store, q Question) (*sim.WhatIf, error) {
	if _, err := sim.ParseChanges(q.Change); err != nil {
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
	if q.Span == 0 {
		begin, err := c.firstInstant(ctx)
		if err != nil {
			return nil, err
		}
		q.Span = state.Now().Sub(begin) + time.Second
	}
	return c.whatIf(state.Freeze(), &q)
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

func (c *Centre) whatIf(f *control.Frozen, q *Question) (*sim.WhatIf, error) {
	s := f.State()
	cfg := s.Config()
	now := max(c.o.Now(), f.Now())
	begin, err := c.firstInstant(context.Background())
	if err != nil {
		return nil, err
	}
	begin = max(now.Add(-q.Span), begin)
	h := sim.RetraceFrom(begin, func(n int32) fleet.NodeID { return s.Capacity().Node(n).ID })
	first, _ := c.o.Store.Bounds()
	err = c.o.Store.Read(context.Background(), first, func(_ uint64, b []byte) error {
		if c.isEnding() { // nobody waits for the answer, and the store is about to close
			return c.closed()
		}
		r, err := control.DecodeRecord(b)
		if err == nil {
			h.See(&r, s.Summary)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	w, events := h.Workload(q.Against, now)
	switch {
	case len(w.Jobs) == 0:
		return nil, fault.New(fault.Invalid, "against", "nothing was submitted or ran in that period", "choose a longer one")
	case len(w.Jobs) > maxRetraced:
		return nil, fault.New(fault.Invalid, "against", fmt.Sprintf("%d jobs are too many to run again at once", len(w.Jobs)), "choose a shorter period")
	}
	sites := cfg.Fleet.Sites()
	for _, site := range sites { // what was told before the first record that is kept
		h.SeeHours(site, s.SiteHours(site))
	}
	hours := h.Hours()
	maps.DeleteFunc(hours, func(site string, _ []energy.SiteHour) bool { return !slices.Contains(sites, site) })
	p := sim.TimedParams{Fleet: cfg.Fleet, Rank: cfg.Rank, Power: cfg.Power, Workload: w, Policy: cfg.Policy, Rules: cfg.Rules,
		Params: cfg.Params, Queueing: cfg.Queueing, Tree: h.Tree(cfg.Tree, s.Caps()), DayBudgets: cfg.DayBudgets, Bookings: s.Bookings(), Deferring: cfg.Deferring, Opening: begin, PeriodEnd: now, Events: events, Estimate: sim.AsTold, Hours: hours}
	if len(cfg.DayBudgets) > 0 {
		p.Zone = cfg.DayBudgets[0].Zone
	}
	if len(hours) > 0 {
		p.Metering = control.Metering{Every: time.Hour, Zones: cfg.Metering.Zones}
	}
	if slices.ContainsFunc(w.Jobs, func(a sim.Arrival) bool { return a.Spec.Wish != job.NoWish }) && len(hours) > 0 {
		p.Shifting = &sim.Shifting{Policy: DefaultShiftPolicy, Forecast: "own", Delay: PlanDelay, Apart: PlanApart}
	}
	return sim.CompareChange(p, q.Change, q.Against, q.Aids)
}

// plants are what stands at the sites, as far as their signals say.
func (all *signals) plants() map[string]sim.SitePlant {
	all.mu.Lock()
	defer all.mu.Unlock()
	out := map[string]sim.SitePlant{}
	for _, x := range all.sites {
		out[x.Site] = sim.SitePlant{Plant: x.Plant, Tariff: x.Base.Tariff}
	}
	return out
}
