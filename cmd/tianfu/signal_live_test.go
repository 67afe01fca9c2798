package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tianfu/httpapi"
)

// TestSignalsOfACentre runs a real centre whose sites have carbon from a provider,
// from factors, and one figure, and shows what is in force.
func TestSignalsOfACentre(t *testing.T) {
	var down atomic.Bool
	provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("auth-token") != "reads-the-grid" || down.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		hour := time.Now().UTC().Truncate(time.Hour)
		at := func(h int) string { return hour.Add(time.Duration(h) * time.Hour).Format(time.RFC3339) }
		switch {
		case strings.HasSuffix(r.URL.Path, "history"):
			fmt.Fprintf(w, `{"zone":"CN-SC","history":[{"carbonIntensity":100,"datetime":%q},{"carbonIntensity":110,"datetime":%q}]}`, at(-2), at(-1))
		case strings.HasSuffix(r.URL.Path, "latest"):
			fmt.Fprintf(w, `{"zone":"CN-SC","carbonIntensity":123.4,"datetime":%q}`, at(0))
		default:
			fmt.Fprintf(w, `{"zone":"CN-SC","forecast":[{"carbonIntensity":90,"datetime":%q}]}`, at(1))
		}
	}))
	defer provider.Close()
	t.Setenv("EMAPS_TOKEN", "reads-the-grid")
	host, _ := os.Hostname()
	dir := t.TempDir()
	world := filepath.Join(dir, "world.yaml")
	text := fmt.Sprintf(`name: test
sites:
  - name: a
    time_zone: Asia/Shanghai
    tariff_file: sichuan-2025
    carbon_prefer: hourly
    signals:
      - {kind: electricity-maps, address: %q, zone: CN-SC, secret_env: EMAPS_TOKEN}
      - {kind: factor, regions: [Sichuan, national]}
  - name: b
    time_zone: UTC
    signals:
      - {kind: electricity-maps, address: %[1]q, zone: CN-SC, secret_env: EMAPS_TOKEN}
      - {kind: factor, regions: [Nowhere, Sichuan]}
      - {kind: csv, file: old.csv, measure: marginal}
  - {name: c, time_zone: UTC, carbon: 140g/kWh, tariff: 0.5yuan/kWh, pue: 1.25}
catalogue: {skus: [{name: m, vcpu: 4, memory: 8GiB}]}
nodes:
  - {name: %q, sku: m, place: a}
  - {name: other-b, sku: m, place: b}
  - {name: other-c, sku: m, place: c}
`, provider.URL, host)
	text = strings.Replace(text, "old.csv", filepath.Join(dir, "old.csv"), 1)
	if err := os.WriteFile(world, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "old.csv"), []byte("time,moer_g_per_kwh\n2022-01-01T00:00:00Z,500\n2022-01-01T01:00:00Z,510\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := startServer(t, "--world", world)
	t.Setenv("TIANFU_TOKEN", s.token)
	var sites []httpapi.SiteSignals
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		var err error
		if sites, err = s.client().Signals(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(sites) == 3 && sites[0].Hour != nil && sites[1].Hour != nil && sites[2].Hour != nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%+v", sites)
		}
	}
	a, b, c := sites[0], sites[1], sites[2]
	if x := a.Carbon[0]; !x.Known || x.Grams != 123.4 || x.Trust != "provider" || x.Age != "" || len(x.Passed) != 1 {
		t.Errorf("a planner's site takes the hour: %+v", x)
	}
	if h := a.Hour; *h.CarbonLocation != 123.4 || *h.Price <= 0 || h.PUE != nil || h.CarbonMarginal != nil || h.Forecast {
		t.Errorf("%+v", h)
	}
	if x := b.Carbon[0]; !x.Known || x.Trust != "factor table" || !strings.Contains(x.Source, "Sichuan") {
		t.Errorf("the more trusted source: %+v", x)
	}
	if x := b.Carbon[1]; x.Known || !strings.HasPrefix(x.Nature, "marginal") || len(x.Passed) != 1 || b.Hour.CarbonMarginal != nil {
		t.Errorf("no data is a value: %+v", x)
	}
	if h := c.Hour; *h.CarbonLocation != 140 || *h.Price != 0.5 || h.PUE == nil || *h.PUE != 1.25 || len(c.Carbon) != 0 {
		t.Errorf("%+v", c)
	}
	code, out, errs := execute("green", "signal", "--server", "http://"+s.address)
	if code != 0 || !strings.Contains(out, "fresh") || !strings.Contains(out, "no data") || !strings.Contains(out, "declared") {
		t.Errorf("%d %s %s", code, out, errs)
	}
	// A reload changes the one site's signals; the other's provider goes on.
	asked := a.Providers[0].Fetched
	if err := os.WriteFile(world, []byte(strings.Replace(text, "carbon: 140g/kWh", "carbon: 150g/kWh", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, out, errs := execute("world", "reload", "--server", "http://"+s.address); code != 0 || !strings.Contains(out, "signals of site c are changed") || strings.Contains(out, "site a") {
		t.Errorf("%d %s %s", code, out, errs)
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		sites, err := s.client().Signals(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if h := sites[2].Hour; h != nil && *h.CarbonLocation == 150 {
			if sites[0].Providers[0].Fetched != asked {
				t.Errorf("the provider of a site that stayed was asked anew: %+v", sites[0])
			}
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%+v", sites)
		}
	}
	// It starts without its provider, and says so.
	down.Store(true)
	s.kill()
	s.start()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		sites, err := s.client().Signals(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(sites) == 3 && len(sites[0].Providers) == 1 && strings.Contains(sites[0].Providers[0].Error, "503") && sites[0].Carbon[0].Trust == "factor table" {
			break
		}
		if time.Now().After(deadline) {
			text, _ := json.Marshal(sites)
			t.Fatalf("%s", text)
		}
	}
}
