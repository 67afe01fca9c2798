package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestWhatIfOfABackup asks a what-if of a backup of a real centre; a backup that
// was cut short is refused.
func TestWhatIfOfABackup(t *testing.T) {
	s := startServer(t)
	c, ctx := s.client(), context.Background()
	t.Setenv("TIANFU_TOKEN", s.token)
	for range 3 {
		j, err := c.Submit(ctx, shell("sleep 0.2"), "", false)
		if err != nil {
			t.Fatal(err)
		}
		waitEnd(t, c, j.ID)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "centre.backup")
	if code, out, errs := execute("backup", "--server", "http://"+s.address, "--to", file); code != 0 {
		t.Fatal(out, errs)
	}
	for _, against := range []string{file, file + ":last-day"} {
		code, out, errs := execute("whatif", "runtimes x2", "--against", against, "--dir", dir)
		if code != 0 || !strings.Contains(out, "3 jobs in") || !strings.Contains(out, "kept as w-") {
			t.Errorf("against %s: %d %s%s", against, code, out, errs)
		}
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, text[:len(text)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, errs := execute("whatif", "runtimes x2", "--against", file, "--dir", dir); code != 2 || !strings.Contains(errs, "backup") {
		t.Errorf("half a backup: %d %s", code, errs)
	}
}
