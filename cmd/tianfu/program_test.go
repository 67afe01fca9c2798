package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// sharedFile returns the path of a test trace kept beside the repository, or
// skips the test: the project builds and passes without them.
func sharedFile(t testing.TB, name string) string {
	t.Helper()
	dir := os.Getenv("TIANFU_SHARED")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared")
	}
	path := filepath.Join(dir, name)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("%s is not here: put the test traces beside the repository or set TIANFU_SHARED", name)
	}
	return path
}

// execute runs one command line in this process.
func execute(args ...string) (code int, stdout, stderr string) {
	var out, err bytes.Buffer
	p := &program{out: &out, err: &err}
	code = p.Run(context.Background(), args)
	return code, out.String(), err.String()
}

// decode runs a command that must succeed and decodes its JSON document.
func decode[T any](t testing.TB, args ...string) T {
	t.Helper()
	code, out, errs := execute(append(args, "-o", "json")...)
	if code != 0 {
		t.Fatalf("tianfu %v ends with %d: %s", args, code, errs)
	}
	var doc T
	if err := json.Unmarshal([]byte(out), &doc); err != nil {
		t.Fatalf("tianfu %v prints no JSON document: %v", args, err)
	}
	return doc
}
