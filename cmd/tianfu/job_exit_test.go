package main

import (
	"strings"
	"testing"

	"tianfu/httpapi"
)

// TestTheExitThatTells: of a gang of which one task failed and the others were stopped
// for it, the failure is what is told.
func TestTheExitThatTells(t *testing.T) {
	exit := func(code int32, detail string) httpapi.Task {
		return httpapi.Task{Exit: &httpapi.Exit{Code: code, Detail: detail}}
	}
	for _, c := range []struct {
		tasks []httpapi.Task
		want  string
	}{
		{nil, ""},
		{[]httpapi.Task{{}, exit(0, "exit")}, "0 exit"},
		{[]httpapi.Task{exit(0, "exit"), exit(-1, "stopped SIGTERM")}, "-1 stopped SIGTERM"},
		{[]httpapi.Task{exit(-1, "stopped SIGTERM"), exit(2, "exit"), exit(-1, "stopped SIGTERM")}, "2 exit"},
		{[]httpapi.Task{exit(-1, "out-of-memory"), exit(-1, "stopped SIGTERM")}, "-1 out-of-memory"},
	} {
		if got := tellingExit(c.tasks); got != c.want {
			t.Errorf("%+v: %q, want %q", c.tasks, got, c.want)
		}
	}
}

// TestADryRunOfNoKindIsNamed writes --dry-run without its value: it takes the next
// word, and that is what the error is about.
func TestADryRunOfNoKindIsNamed(t *testing.T) {
	if code, _, errs := execute("job", "submit", "--dry-run", "--", "true"); code != 2 || !strings.Contains(errs, `--dry-run: "--" is not known; write --dry-run=server`) {
		t.Errorf("code %d: %s", code, errs)
	}
}
