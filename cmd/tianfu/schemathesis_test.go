package main

import (
	"bytes"
	"context"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// TestSchemathesis has schemathesis, a tester of others' making, find requests
// in the document that a running centre gives out. It is a Python program:
// without it the test says so, and httpapi's own test of the document stands
// alone.
func TestSchemathesis(t *testing.T) {
	if testing.Short() {
		t.Skip("long")
	}
	tool, err := exec.LookPath("schemathesis")
	if err != nil {
		t.Skip("schemathesis is not installed: pip install schemathesis")
	}
	s := startServer(t)
	if err := s.client().SetNode(t.Context(), nodeOfTest(t, s), true, false); err != nil { // nothing of this is to run
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, tool, "run", "http://"+s.address+"/openapi.json", "--header", "Authorization: Bearer "+s.token,
		"--checks", "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance",
		"--exclude-path-regex", "events|logs|backup|reload", // streams, and what changes the centre's files
		"--max-examples", "25", "--seed", "1", "--request-timeout", "20", "--no-color", "--phases", "examples,coverage,fuzzing")
	cmd.Dir = t.TempDir() // it keeps what it found beside itself
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err = cmd.Run()
	text := out.String()
	switch {
	case err == nil:
	case strings.Contains(text, "No such option") || strings.Contains(text, "Usage:"):
		t.Skip("this schemathesis takes other flags: " + lastLines(text, 3))
	default:
		t.Errorf("%v\n%s", err, lastLines(text, 80))
	}
}

func nodeOfTest(t *testing.T, s *server) string {
	t.Helper()
	nodes, err := s.client().Nodes(t.Context())
	if err != nil || len(nodes) == 0 {
		t.Fatal(err)
	}
	return nodes[0].Name
}

func lastLines(text string, n int) string {
	all := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(all[max(0, len(all)-n):], "\n")
}
