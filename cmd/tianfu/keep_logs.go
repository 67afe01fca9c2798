package main

import (
	"context"
	"log/slog"
	"time"

	"tianfu/control"
	"tianfu/engine"
	"tianfu/engine/local"
	"tianfu/fault"
	"tianfu/live"
	"tianfu/unit"
)

// lookAtLogs is how often the server looks for logs that may go.
const lookAtLogs = 10 * time.Minute

// logger writes the server's own log.
func (p *program) logger(format string) (*slog.Logger, error) {
	switch format {
	case "text":
		return slog.New(slog.NewTextHandler(p.err, nil)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(p.err, nil)), nil
	}
	return nil, fault.New(fault.Invalid, "--log-format", format+" is not known", "write text or json")
}

// logLimits reads how much of what tasks wrote is kept.
func (f *serveFlags) logLimits() (local.Limits, error) {
	l := local.Limits{Age: f.keepLogs}
	if f.keepLogs < 0 {
		return l, fault.New(fault.Invalid, "--keep-logs", f.keepLogs.String()+" is below zero", "give a time such as 720h, or 0 for ever")
	}
	if f.keepLogBytes != "" {
		size, err := unit.ParseMiB(f.keepLogBytes)
		if err != nil {
			return l, fault.Wrap(err, "--keep-logs-size", "cannot be read")
		}
		l.Bytes = int64(size) << 20
	}
	return l, nil
}

// keepLogs forgets what ended tasks wrote beyond the limits. Tasks of jobs that
// have not ended keep theirs: a later attempt may go on from it.
func keepLogs(ctx context.Context, eng *local.Engine, c *live.Centre, l local.Limits, logger *slog.Logger) {
	if l == (local.Limits{}) {
		return
	}
	tick := time.NewTicker(lookAtLogs)
	defer tick.Stop()
	for {
		n, err := eng.Retain(ctx, l, time.Now(), func(k engine.Key) bool {
			alive := true
			err := c.View(ctx, func(st *control.State) {
				if j, ok := st.Summary(k.Job); ok {
					alive = j.Phase <= control.Running
				} else {
					alive = false
				}
			})
			return err != nil || alive
		})
		if err != nil && ctx.Err() == nil {
			logger.Warn("old logs of tasks were not forgotten", "error", err)
		}
		if n > 0 {
			logger.Info("old logs of tasks were forgotten", "tasks", n)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
