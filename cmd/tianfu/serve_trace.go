package main

import (
	"context"
	"log/slog"
	"net/url"
	"os"
	"sync"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"tianfu/fault"
)

// traceTimeout bounds the last delivery of spans when the centre stops.
const traceTimeout = 5 * time.Second

// openTracer makes the tracer of a centre whose spans go to a collector over
// OTLP/HTTP: the one of the flag, or of the variables that every program with
// OpenTelemetry reads. Nil where neither is set. The function it returns delivers
// what is left.
func openTracer(ctx context.Context, endpoint, centre string, log *slog.Logger) (trace.Tracer, func(), error) {
	nothing := func() {}
	if endpoint == "" && os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") == "" && os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") == "" {
		return nil, nothing, nil
	}
	var o []otlptracehttp.Option
	if endpoint != "" {
		u, err := url.Parse(endpoint)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil {
			return nil, nothing, fault.New(fault.Invalid, "--otlp-endpoint", "is no URL of a collector", "such as http://127.0.0.1:4318")
		}
		if u.Path == "" || u.Path == "/" {
			u.Path = "/v1/traces"
		}
		o = append(o, otlptracehttp.WithEndpointURL(u.String()))
	}
	exporter, err := otlptracehttp.New(ctx, o...)
	if err != nil {
		return nil, nothing, &fault.Error{Kind: fault.Invalid, Where: "--otlp-endpoint", What: "open the exporter of traces", Err: err}
	}
	// The library tells of failures through one handler of the process.
	var mu sync.Mutex
	var said time.Time
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
		mu.Lock()
		defer mu.Unlock()
		if time.Since(said) > time.Minute {
			said = time.Now()
			log.Warn("spans are lost: the collector does not take them", "error", err)
		}
	}))
	about := resource.NewSchemaless(attribute.String("service.name", "tianfu"), attribute.String("service.version", version), attribute.String("tianfu.centre", centre))
	if whole, err := resource.Merge(about, resource.Environment()); err == nil {
		about = whole
	}
	p := sdk.NewTracerProvider(sdk.WithBatcher(exporter), sdk.WithResource(about))
	return p.Tracer("tianfu"), func() {
		last, cancel := context.WithTimeout(context.Background(), traceTimeout)
		defer cancel()
		if err := p.Shutdown(last); err != nil {
			log.Warn("the last spans were not delivered", "error", err)
		}
	}, nil
}

// callerTrace takes over the trace that a command is run in: TRACEPARENT, as CI
// systems set it. A centre that is traced then shows its part of it.
func callerTrace(ctx context.Context) context.Context {
	parent := os.Getenv("TRACEPARENT")
	if parent == "" {
		return ctx
	}
	return propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{"traceparent": parent, "tracestate": os.Getenv("TRACESTATE")})
}
