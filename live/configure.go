package live

import (
	"context"

	"tianfu/control"
	"tianfu/job"
)

// Change is what a changed configuration does to the centre.
type Change struct {
	Lines []string // in words; none = it says what holds already
	// Stranded are pending jobs that no node could run any more even when idle.
	Stranded []job.ID
}

// maxStranded bounds the jobs that a change names.
const maxStranded = 20

// Configure takes over a changed configuration, or says what stands in its way;
// then nothing changed. dry only says so.
func (c *Centre) Configure(ctx context.Context, cfg control.Config, dry bool) (*Change, error) {
	out := &Change{}
	var failed error
	err := c.View(ctx, func(st *control.State) {
		out.Lines = st.Config().Changes(&cfg)
		fork := st.Fork()
		o := fork.Step(max(c.o.Now(), fork.Now()), []control.Input{{Kind: control.Configure, Config: &cfg}})
		if len(o.Refusals) > 0 {
			failed = o.Refusals[0].Err
			return
		}
		out.Stranded = fork.Stranded(maxStranded)
	})
	if err == nil {
		err = failed
	}
	if err != nil || dry || len(out.Lines) == 0 {
		return out, err
	}
	_, err = c.send(ctx, ask{input: control.Input{Kind: control.Configure, Config: &cfg}})
	return out, err
}

// Rewire changes which meters are read and what sites' signals are, while the
// centre runs: what is as it was goes on.
func (c *Centre) Rewire(ctx context.Context, meters []Instrument, sites []SiteSignals) error {
	var failed error
	err := c.View(ctx, func(st *control.State) { failed = c.instruments.replace(meters, st) })
	if err == nil {
		err = failed
	}
	if err == nil {
		c.signals.replace(sites)
	}
	return err
}

// takeOver hands the core the configuration that the centre was started with.
// One that cannot be taken over now is told of, and the centre goes on with the
// one it has: running work comes first.
func (c *Centre) takeOver() error {
	if c.o.Config.Fleet == nil || c.state.Config().Same(&c.o.Config) {
		return nil
	}
	a := ask{input: control.Input{Kind: control.Configure, Config: &c.o.Config}, reply: make(chan answer, 1)}
	lines := c.state.Config().Changes(&c.o.Config)
	var b batch
	b.add(a)
	if err := c.step(&b); err != nil {
		return err
	}
	if r := <-a.reply; r.err != nil {
		c.o.Logger.Error("the world file or a flag has changed and cannot be taken over; the centre goes on with the world it had", "error", r.err, "changes", lines)
		if c.o.Refused != nil {
			c.o.Refused(r.err)
		}
		return nil
	}
	c.o.Logger.Info("the world file or a flag has changed and was taken over", "changes", lines)
	return nil
}
