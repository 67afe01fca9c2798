package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestContexts names two centres, one of which runs, and goes to them by every
// way there is.
func TestContexts(t *testing.T) {
	s := startServer(t)
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("XDG_CONFIG_HOME", filepath.Join(home, "config"))
	t.Setenv("TIANFU_TOKEN", "")
	here := "http://" + s.address
	token := filepath.Join(home, "here.token")
	if err := os.WriteFile(token, []byte(s.token), 0o600); err != nil {
		t.Fatal(err)
	}
	has := func(want string, code int, args ...string) {
		t.Helper()
		got, out, errs := execute(args...)
		if got != code || !strings.Contains(out+errs, want) {
			t.Errorf("tianfu %s: code %d, want %d with %q:\n%s%s", strings.Join(args, " "), got, code, want, out, errs)
		}
	}
	has("no contexts", 0, "context", "list")
	has("http://127.0.0.1:8420,,default", 0, "context", "show", "-o", "csv")
	has("no address of a centre", 2, "context", "add", "bad", "--server", "here")
	has("no address of a centre", 2, "context", "add", "bad", "--server", "http://user:secret@host")
	has("has no name", 2, "context", "add", "a b", "--server", here)
	has("", 0, "context", "add", "here", "--server", here, "--token-file", token)
	has("", 0, "context", "add", "away", "--server", "http://127.0.0.1:1")
	has("is there already", 5, "context", "add", "away", "--server", here)
	name := filepath.Join(home, "config", "tianfu", "contexts.json")
	if i, err := os.Stat(name); err != nil || i.Mode().Perm() != 0o600 {
		t.Errorf("the file of contexts: %v, %v", i, err)
	}
	has("*,here", 0, "context", "list", "-o", "csv") // the first is the current one
	has("healthy", 0, "node", "list")
	has("", 0, "context", "use", "away")
	// The token of the one is never shown to the other, nor is the user's own.
	if err := os.WriteFile(filepath.Join(home, "config", "tianfu", "token"), []byte(s.token), 0o600); err != nil {
		t.Fatal(err)
	}
	has("log in: tianfu login --context away", 4, "node", "list")
	has("healthy", 0, "node", "list", "--context", "here")
	has("healthy", 0, "node", "list", "--server", here)
	has("give one of them", 2, "node", "list", "--server", here, "--context", "here")
	t.Setenv("TIANFU_CONTEXT", "here")
	has("healthy", 0, "node", "list")
	has("TIANFU_CONTEXT", 0, "context", "show")
	t.Setenv("TIANFU_CONTEXT", "lost")
	has("no such context", 3, "node", "list")
	t.Setenv("TIANFU_SERVER", here)
	has("healthy", 0, "node", "list")
	t.Setenv("TIANFU_SERVER", "")
	t.Setenv("TIANFU_CONTEXT", "")
	has("no such context", 3, "context", "use", "lost")
	has("", 0, "context", "remove", "away")
	has("no such context", 3, "context", "remove", "away")
	has("default", 0, "context", "show")
	if err := os.WriteFile(name, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	has("add the contexts again", 2, "context", "list")
	if _, err := s.client().Nodes(context.Background()); err != nil {
		t.Error(err)
	}
}
