package live

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"tianfu/control"
)

// maxLinks bounds how many requests the span of a step names.
const maxLinks = 32

// stepTimes are the instants of a step, kept only while it is traced.
type stepTimes struct{ began, decided, durable time.Time }

// traced returns the instant where steps are traced.
func (c *Centre) traced() (t time.Time) {
	if c.o.Tracer != nil {
		t = time.Now()
	}
	return t
}

// traceStep makes the spans of a step that somebody waited for or that changed
// something: the cycle in the core and the wait for the disk within it. The step
// belongs to the trace of the first request it serves, and is linked with the
// others. It returns what its orders belong to.
func (c *Centre) traceStep(b *batch, out *control.Outcome, t *stepTimes) trace.SpanContext {
	if c.o.Tracer == nil || len(out.Records) == 0 && len(b.waiting) == 0 {
		return trace.SpanContext{}
	}
	ctx := context.Background()
	var links []trace.Link
	for i := range b.waiting {
		s := b.waiting[i].span
		switch {
		case !s.IsValid() || len(links) >= maxLinks:
		case !trace.SpanContextFromContext(ctx).IsValid():
			ctx = trace.ContextWithSpanContext(ctx, s)
		default:
			links = append(links, trace.Link{SpanContext: s})
		}
	}
	ctx, step := c.o.Tracer.Start(ctx, "step", trace.WithTimestamp(t.began), trace.WithLinks(links...), trace.WithAttributes(
		attribute.Int("tianfu.inputs", len(b.inputs)), attribute.Int("tianfu.records", len(out.Records)),
		attribute.Int("tianfu.orders", len(out.Orders)), attribute.Int("tianfu.refusals", len(out.Refusals)),
		attribute.Float64("tianfu.cycle_seconds", t.decided.Sub(t.began).Seconds())))
	_, cycle := c.o.Tracer.Start(ctx, "cycle", trace.WithTimestamp(t.began))
	cycle.End(trace.WithTimestamp(t.decided))
	if len(out.Records) > 0 {
		_, disk := c.o.Tracer.Start(ctx, "persist", trace.WithTimestamp(t.decided), trace.WithAttributes(attribute.Int("tianfu.records", len(out.Records))))
		disk.End(trace.WithTimestamp(t.durable))
	}
	step.End()
	return step.SpanContext()
}

// traceOrder makes the span of an order that the engine is given; the function it
// returns ends it.
func (c *Centre) traceOrder(ctx context.Context, o *act) (context.Context, func(error)) {
	if c.o.Tracer == nil || !o.span.IsValid() {
		return ctx, func(error) {}
	}
	ctx, span := c.o.Tracer.Start(trace.ContextWithSpanContext(ctx, o.span), "engine "+orderName(o.Kind), trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(
		attribute.String("tianfu.job", o.Job.String()), attribute.Int("tianfu.task", int(o.Task)), attribute.Int("tianfu.attempt", int(o.Attempt))))
	return ctx, func(err error) {
		if err != nil {
			span.SetStatus(codes.Error, err.Error())
		}
		span.End()
	}
}

func orderName(k control.OrderKind) string {
	switch k {
	case control.Start:
		return "start"
	case control.Stop:
		return "stop"
	case control.Forget:
		return "forget"
	}
	return "order"
}
