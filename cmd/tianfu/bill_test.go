package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"tianfu/httpapi"
	"tianfu/meter"
	"tianfu/unit"
)

// TestBillIsOfTheMonthOfItsSites asks for the bill of "this month" while UTC and a site
// are in different ones.
func TestBillIsOfTheMonthOfItsSites(t *testing.T) {
	for _, x := range []struct{ now, day, want string }{
		{"2026-10-31T17:00:00Z", "2026-11-01", "2026-11"}, // Shanghai is ahead
		{"2026-10-31T17:00:00Z", "2026-10-31", "2026-10"}, // of UTC
		{"2026-11-01T03:00:00Z", "2026-10-31", "2026-10"}, // New York is behind
		{"2026-10-15T12:00:00Z", "2026-10-15", "2026-10"},
		{"2026-10-15T12:00:00Z", "2026-09-30", "2026-10"}, // nothing yet in this month
	} {
		now, err := time.Parse(time.RFC3339, x.now)
		if err != nil {
			t.Fatal(err)
		}
		from := unit.Instant(now.Add(-time.Minute).UnixNano())
		text, err := json.Marshal(&httpapi.Charges{Charges: []meter.Charge{{Day: x.day, From: from, To: from.Add(time.Second)}}})
		if err != nil {
			t.Fatal(err)
		}
		f := &billFlags{}
		f.file = filepath.Join(t.TempDir(), "charges.json")
		if err := os.WriteFile(f.file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := f.ofMonth(t.Context(), now); err != nil || f.month != x.want {
			t.Errorf("at %s with charges of %s: the bill of %s, %v", x.now, x.day, f.month, err)
		}
	}
}
