package httpapi

import (
	"context"
	"net/http"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// trace begins the span of a request, within the caller's trace where it sent one
// (traceparent). Paths, queries, headers and bodies are not in it: they may hold
// secrets and names of tenants.
func (s *Server) trace(r *http.Request, x *exchange) context.Context {
	if s.o.Tracer == nil {
		return r.Context()
	}
	ctx := propagation.TraceContext{}.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
	name := x.pattern
	if name == "" {
		name = "no route"
	}
	ctx, x.span = s.o.Tracer.Start(ctx, name, trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(
		attribute.String("http.request.method", r.Method), attribute.String("http.route", x.pattern), attribute.String("tianfu.request_id", x.id)))
	return ctx
}

// traced ends the span of a request.
func (x *exchange) traced() {
	if x.span == nil {
		return
	}
	x.span.SetAttributes(attribute.Int("http.response.status_code", x.status), attribute.String("tianfu.role", string(x.who.Role)))
	if x.status >= 500 {
		x.span.SetStatus(codes.Error, http.StatusText(x.status))
	}
	x.span.End()
}
