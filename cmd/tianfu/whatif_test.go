package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tianfu/fault"
	"tianfu/httpapi"
)

// TestWhatIfOfACentre runs a real centre's last hour again: nothing changes
// under the policy it has, and what was asked stays at its address.
func TestWhatIfOfACentre(t *testing.T) {
	s := startServer(t)
	c, ctx := s.client(), context.Background()
	var last string
	for range 5 {
		made, err := c.Submit(ctx, shell("sleep 0.2"), "", false)
		if err != nil {
			t.Fatal(err)
		}
		last = made.ID
	}
	waitEnd(t, c, last)
	w, err := c.WhatIf(ctx, &httpapi.WhatIfBody{Change: "policy tianfu", Against: "last-hour"})
	if err != nil {
		t.Fatal(err)
	}
	if w.Jobs != 5 || w.Base.Hash != w.Changed.Hash || w.Base.Open != 0 || len(w.Figures) < 3 || len(w.Figures) > 8 {
		t.Errorf("the same policy gives %+v", w)
	}
	kept, err := c.StoredWhatIf(ctx, w.ID)
	if err != nil || kept.Base.Hash != w.Base.Hash {
		t.Errorf("at its address lies %+v, %v", kept, err)
	}
	list, err := c.StoredWhatIfs(ctx)
	if err != nil || len(list) != 1 || list[0].ID != w.ID {
		t.Errorf("listed: %+v, %v", list, err)
	}
	for _, bad := range []httpapi.WhatIfBody{{Change: "fly", Against: "last-hour"}, {Change: "remove 1 nodes", Against: "last-hour"}, {Change: "policy tianfu", Against: "yesterday"}, {Change: "carbon x2", Against: "last-hour"}, {Change: "weather other.csv", Against: "last-hour"}} {
		if _, err := c.WhatIf(ctx, &bad); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	if _, err := c.StoredWhatIf(ctx, "w-000000000000"); fault.KindOf(err) != fault.NotFound {
		t.Errorf("a what-if that nobody asked: %v", err)
	}
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte(s.token), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, errs := execute("whatif", "show", w.ID, "--server", "http://"+s.address, "--token-file", token)
	if code != 0 || !strings.Contains(out, "wait p90") {
		t.Errorf("tianfu whatif show: %d\n%s%s", code, out, errs)
	}
}
