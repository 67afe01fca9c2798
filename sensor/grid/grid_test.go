package grid

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tianfu/energy"
	"tianfu/fault"
	"tianfu/unit"
)

const token = "reads-the-grid"

var now = unit.Instant(time.Date(2026, 7, 1, 12, 20, 0, 0, time.UTC).UnixNano())

// site is a provider's server; the handler may be changed.
type site struct {
	*httptest.Server
	asked  atomic.Int64
	handle func(http.ResponseWriter, *http.Request)
}

func newSite(t *testing.T, handle func(http.ResponseWriter, *http.Request)) *site {
	s := &site{handle: handle}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.asked.Add(1)
		s.handle(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

// maps answers in the shape of Electricity Maps.
func maps(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if r.Header.Get("auth-token") != token {
		http.Error(w, `{"error":"Invalid auth-token"}`, http.StatusUnauthorized)
		return
	}
	if q.Get("zone") != "CN-SC" {
		http.NotFound(w, r)
		return
	}
	const more = `"zone":"CN-SC","updatedAt":"2026-07-01T12:05:00.000Z","emissionFactorType":"direct","isEstimated":true,"estimationMethod":"TIME_SLICER_AVERAGE"`
	tag := `"` + r.URL.Path + `"`
	if r.Header.Get("If-None-Match") == tag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	w.Header().Set("ETag", tag)
	switch r.URL.Path {
	case "/v3/carbon-intensity/latest":
		fmt.Fprintf(w, `{%s,"carbonIntensity":150,"datetime":"2026-07-01T12:00:00.000Z"}`, more)
	case "/v3/carbon-intensity/history":
		fmt.Fprintf(w, `{"zone":"CN-SC","history":[{%s,"carbonIntensity":120,"datetime":"2026-07-01T10:00:00.000Z"},{%s,"carbonIntensity":null,"datetime":"2026-07-01T11:00:00.000Z"}]}`, more, more)
	case "/v3/carbon-intensity/forecast":
		fmt.Fprint(w, `{"zone":"CN-SC","forecast":[{"carbonIntensity":149,"datetime":"2026-07-01T12:00:00.000Z"},{"carbonIntensity":130.5,"datetime":"2026-07-01T13:00:00.000Z"}],"updatedAt":"2026-07-01T12:05:00.000Z"}`)
	}
}

func open(t *testing.T, o Options) *Provider {
	t.Helper()
	p, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func values(s *energy.Series) string {
	if s == nil {
		return "none"
	}
	return fmt.Sprint(s.Start, " ", s.Step, " ", s.Values)
}

func TestElectricityMaps(t *testing.T) {
	s := newSite(t, maps)
	p := open(t, Options{Kind: ElectricityMaps, Address: s.URL, Zone: "CN-SC", Token: token})
	changed, err := p.Refresh(t.Context(), now)
	observed, forecast := p.Series()
	if err != nil || !changed || values(observed) != "2026-07-01T10:00:00Z 1h0m0s [0.12 NaN 0.15]" || values(forecast) != "2026-07-01T13:00:00Z 1h0m0s [0.1305]" {
		t.Fatalf("%v %v %s, %s", changed, err, values(observed), values(forecast))
	}
	// Too early; later all is as before; and what was a forecast is observed.
	if changed, err := p.Refresh(t.Context(), now.Add(time.Minute)); changed || err != nil || s.asked.Load() != 3 {
		t.Errorf("%v %v, asked %d times", changed, err, s.asked.Load())
	}
	if changed, err := p.Refresh(t.Context(), now.Add(every)); changed || err != nil || s.asked.Load() != 6 {
		t.Errorf("%v %v, asked %d times", changed, err, s.asked.Load())
	}
	s.handle = func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "latest") {
			fmt.Fprint(w, `{"zone":"CN-SC","carbonIntensity":133,"datetime":"2026-07-01T13:00:00Z","emissionFactorType":"direct"}`)
			return
		}
		w.WriteHeader(http.StatusNotModified)
	}
	if changed, err := p.Refresh(t.Context(), now.Add(time.Hour)); !changed || err != nil {
		t.Errorf("%v %v", changed, err)
	}
	if observed, forecast = p.Series(); observed.Values[3] != 0.133 || forecast != nil {
		t.Errorf("%s, %s", values(observed), values(forecast))
	}
}

// TestStalenessAndTrust: a feed shows the age of the last value, passes the
// provider over once it is too old, and a factor of a year goes before it.
func TestStalenessAndTrust(t *testing.T) {
	s := newSite(t, maps)
	p := open(t, Options{Kind: ElectricityMaps, Address: s.URL, Zone: "CN-SC", Token: token})
	if _, err := p.Refresh(t.Context(), now); err != nil {
		t.Fatal(err)
	}
	observed, _ := p.Series()
	provider := energy.Source{Name: "maps", Trust: energy.Provider, Series: observed, MaxAge: 2 * time.Hour}
	f, err := energy.NewFeed(provider)
	if err != nil {
		t.Fatal(err)
	}
	if r := f.At(now, time.Hour); !r.Known || r.Value != 0.15 || r.Age != 0 {
		t.Errorf("%v", r)
	}
	if r := f.At(now.Add(90*time.Minute), time.Hour); !r.Known || r.Age != 50*time.Minute {
		t.Errorf("%v", r)
	}
	if r := f.At(now.Add(5*time.Hour), time.Hour); r.Known || len(r.Passed) != 1 {
		t.Errorf("%v", r)
	}
	both, err := energy.NewFeed(energy.Source{Name: "factors", Trust: energy.OfficialTable, Factors: energy.BuiltInFactors(), Regions: []string{"Sichuan"}, Kind: energy.AverageFactor}, provider)
	if err != nil {
		t.Fatal(err)
	}
	if r := both.At(now, 0); !r.Known || r.Trust != energy.OfficialTable {
		t.Errorf("%v", r)
	}
	if r := both.At(now, time.Hour); !r.Known || r.Trust != energy.Provider {
		t.Errorf("%v", r)
	}
}

func TestUKCarbon(t *testing.T) {
	paths := ""
	s := newSite(t, func(w http.ResponseWriter, r *http.Request) {
		paths += r.URL.Path + "\n"
		list := `[{"from":"2026-07-01T11:30Z","to":"2026-07-01T12:00Z","intensity":{"forecast":266,"actual":263,"index":"moderate"}},
			{"from":"2026-07-01T12:00Z","to":"2026-07-01T12:30Z","intensity":{"forecast":250,"actual":null,"index":"moderate"}},
			{"from":"2026-07-01T12:30Z","to":"2026-07-01T13:00Z","intensity":{"forecast":240,"index":"moderate"}}]`
		if strings.HasPrefix(r.URL.Path, "/regional") {
			fmt.Fprintf(w, `{"data":{"regionid":13,"shortname":"London","data":%s}}`, list)
			return
		}
		fmt.Fprintf(w, `{"data":%s}`, list)
	})
	p := open(t, Options{Kind: UKCarbon, Address: s.URL})
	if _, err := p.Refresh(t.Context(), now); err != nil {
		t.Fatal(err)
	}
	observed, forecast := p.Series()
	if values(observed) != "2026-07-01T11:30:00Z 30m0s [0.263]" || values(forecast) != "2026-07-01T12:00:00Z 30m0s [0.25 0.24]" {
		t.Errorf("%s, %s", values(observed), values(forecast))
	}
	p = open(t, Options{Kind: UKCarbon, Address: s.URL, Zone: "13"})
	if _, err := p.Refresh(t.Context(), now); err != nil {
		t.Fatal(err)
	}
	if observed, forecast = p.Series(); values(observed) != "2026-07-01T11:30:00Z 30m0s [0.263 0.25]" || values(forecast) != "2026-07-01T12:30:00Z 30m0s [0.24]" {
		t.Errorf("%s, %s", values(observed), values(forecast))
	}
	if paths != "/intensity/2026-06-30T12:00Z/2026-07-03T12:00Z\n/regional/intensity/2026-06-30T12:00Z/2026-07-03T12:00Z/regionid/13\n" {
		t.Error(paths)
	}
}

func TestFailures(t *testing.T) {
	s := newSite(t, maps)
	p := open(t, Options{Kind: ElectricityMaps, Address: s.URL, Zone: "CN-SC", Token: "another-secret"})
	if _, err := p.Refresh(t.Context(), now); fault.KindOf(err) != fault.Denied || strings.Contains(err.Error(), "another-secret") {
		t.Errorf("%v", err)
	}
	if state := p.State(); state.Next != now.Add(firstRetry) || state.Error == "" || state.Fetched != 0 {
		t.Errorf("%+v", state)
	}
	at := now
	for range 8 {
		at = p.State().Next
		p.Refresh(t.Context(), at)
	}
	if wait := p.State().Next.Sub(at); wait != maxRetry {
		t.Errorf("after many failures it waits %v", wait)
	}
	for name, c := range map[string]struct {
		answer func(http.ResponseWriter, *http.Request)
		kind   fault.Kind
		wait   time.Duration
	}{
		"busy": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "600")
			w.WriteHeader(http.StatusTooManyRequests)
		}, fault.Unavailable, 10 * time.Minute},
		"no such zone": {func(w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) }, fault.NotFound, firstRetry},
		"no JSON":      {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") }, fault.Invalid, firstRetry},
		"in kilograms": {func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, `{"history":[{"carbonIntensity":120000,"datetime":"2026-07-01T10:00:00Z"}]}`)
		}, fault.Invalid, firstRetry},
		"negative": {func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, `{"history":[{"carbonIntensity":-1,"datetime":"2026-07-01T10:00:00Z"}]}`)
		}, fault.Invalid, firstRetry},
		"another zone": {func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, `{"history":[{"zone":"DE","carbonIntensity":1,"datetime":"2026-07-01T10:00:00Z"}]}`)
		}, fault.Invalid, firstRetry},
		"another scope": {func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, `{"history":[{"emissionFactorType":"lifecycle","carbonIntensity":1,"datetime":"2026-07-01T10:00:00Z"}]}`)
		}, fault.Invalid, firstRetry},
		"another year": {func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, `{"history":[{"carbonIntensity":1,"datetime":"2024-07-01T10:00:00Z"}]}`)
		}, fault.Invalid, firstRetry},
		"endless": {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, strings.Repeat(" ", maxBody+1)) }, fault.Invalid, firstRetry},
		"elsewhere": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusFound)
		}, fault.Invalid, firstRetry},
	} {
		s.handle = c.answer
		p := open(t, Options{Kind: ElectricityMaps, Address: s.URL, Zone: "CN-SC", Token: token})
		if _, err := p.Refresh(t.Context(), now); fault.KindOf(err) != c.kind || p.State().Next.Sub(now) != c.wait {
			t.Errorf("%s: %v, again in %v", name, err, p.State().Next.Sub(now))
		}
		if observed, _ := p.Series(); observed != nil {
			t.Errorf("%s: %s was taken", name, values(observed))
		}
	}
}

func TestDeclarations(t *testing.T) {
	for _, o := range []Options{
		{}, {Kind: ElectricityMaps}, {Kind: ElectricityMaps, Zone: "DE"}, {Kind: ElectricityMaps, Zone: "D/E", Token: "t"},
		{Kind: ElectricityMaps, Zone: "DE", Token: "t", Address: "http://maps.example.org"}, {Kind: UKCarbon, Address: "ftp://x"}, {Kind: UKCarbon, LifeCycle: true}, {Kind: UKCarbon, CA: "/nowhere"},
	} {
		if _, err := New(o); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%+v: %v", o, err)
		}
	}
}
