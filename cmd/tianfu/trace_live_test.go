package main

import (
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	spans "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// receiver is an OTLP/HTTP collector in this process.
type receiver struct {
	*httptest.Server
	mu      sync.Mutex
	spans   []*spans.Span
	service string
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		r.mu.Lock()
		defer r.mu.Unlock()
		text, err := io.ReadAll(q.Body)
		in := &collector.ExportTraceServiceRequest{}
		if err == nil {
			err = proto.Unmarshal(text, in)
		}
		if err != nil || q.URL.Path != "/v1/traces" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		for _, rs := range in.ResourceSpans {
			for _, a := range rs.Resource.Attributes {
				if a.Key == "service.name" {
					r.service = a.Value.GetStringValue()
				}
			}
			for _, ss := range rs.ScopeSpans {
				r.spans = append(r.spans, ss.Spans...)
			}
		}
		w.Header().Set("Content-Type", "application/x-protobuf")
		out, _ := proto.Marshal(&collector.ExportTraceServiceResponse{})
		w.Write(out)
	}))
	t.Cleanup(r.Close)
	return r
}

// named returns the spans of a trace with a name.
func (r *receiver) named(trace, name string) (out []*spans.Span) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.spans {
		if s.Name == name && hex.EncodeToString(s.TraceId) == trace {
			out = append(out, s)
		}
	}
	return out
}

func attributeOf(s *spans.Span, key string) (string, int64) {
	for _, a := range s.Attributes {
		if a.Key == key {
			return a.Value.GetStringValue(), a.Value.GetIntValue()
		}
	}
	return "", -1
}

// TestTraces follows one submission through a real centre: the command's own
// trace, the request, the step with its cycle and its wait for the disk, and the
// order that the engine was given.
func TestTraces(t *testing.T) {
	const trace, parent = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
	r := newReceiver(t)
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
	s := startServer(t, "--otlp-endpoint", r.URL)
	t.Setenv("TIANFU_TOKEN", s.token)
	t.Setenv("TRACEPARENT", "00-"+trace+"-"+parent+"-01")
	if code, _, errs := execute("job", "submit", "--server", "http://"+s.address, "--name", "hello", "--", "true"); code != 0 {
		t.Fatal(errs)
	}
	for deadline := time.Now().Add(time.Minute); len(r.named(trace, "engine start")) == 0; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("no order was traced")
		}
	}
	one := func(name string, of []byte) *spans.Span {
		t.Helper()
		list := r.named(trace, name)
		if len(list) != 1 || hex.EncodeToString(list[0].ParentSpanId) != hex.EncodeToString(of) || list[0].EndTimeUnixNano < list[0].StartTimeUnixNano {
			t.Fatalf("%s: %v, within %x", name, list, of)
		}
		return list[0]
	}
	above, _ := hex.DecodeString(parent)
	request := one("POST /v1/jobs", above)
	if _, status := attributeOf(request, "http.response.status_code"); status != 201 {
		t.Errorf("%v", request)
	}
	step := one("step", request.SpanId)
	_, records := attributeOf(step, "tianfu.records")
	if _, orders := attributeOf(step, "tianfu.orders"); orders != 1 || records < 2 {
		t.Errorf("%v", step)
	}
	one("cycle", step.SpanId)
	one("persist", step.SpanId)
	order := one("engine start", step.SpanId)
	if job, _ := attributeOf(order, "tianfu.job"); job != "j-1" {
		t.Errorf("%v", order)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.service != "tianfu" {
		t.Errorf("service %q", r.service)
	}
	for _, x := range r.spans {
		if strings.Contains(x.String(), s.token) {
			t.Errorf("a span shows the token: %v", x)
		}
	}
}

func TestTraceFlags(t *testing.T) {
	if code, _, errs := execute("serve", "--data", t.TempDir(), "--listen", "127.0.0.1:0", "--otlp-endpoint", "collector:4318"); code != 2 || !strings.Contains(errs, "no URL of a collector") {
		t.Errorf("%d %s", code, errs)
	}
}
