// Command verify runs the whole commands behind the figures in
// docs/performance.md and prints, row by row, what was asked, what was measured
// and whether it held. It measures the built binary from outside, as a user
// would, and never looks inside it. Read this file first, then the file named
// like the table.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// row is one line of a table of figures.
type row struct {
	what, asked, measured string
	held                  bool
}

// table collects rows as they are measured.
type table struct {
	binary, shared, scratch string
	rows                    []row
	only                    []string // steps, where they are named
}

// step is a part of a table that can be measured by itself.
type step struct {
	name string
	run  func() error
}

// steps measures those that are named, or all.
func (t *table) steps(all []step) error {
	for _, name := range t.only {
		if !slices.ContainsFunc(all, func(s step) bool { return s.name == name }) {
			names := make([]string, len(all))
			for i := range all {
				names[i] = all[i].name
			}
			return fmt.Errorf("there is no step %q; there are %s", name, strings.Join(names, ", "))
		}
	}
	for _, s := range all {
		if len(t.only) > 0 && !slices.Contains(t.only, s.name) {
			continue
		}
		if err := s.run(); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return nil
}

// tables lists what can be verified.
var tables = map[string]func(*table) error{
	"green":     green,
	"live":      live,
	"placement": placement,
}

func main() {
	if len(os.Args) == 4 && os.Args[1] == "stub" {
		fmt.Fprintln(os.Stderr, "verify:", stub(os.Args[2], os.Args[3]))
		os.Exit(1)
	}
	if len(os.Args) < 2 || tables[os.Args[1]] == nil || len(os.Args) > 2 && os.Args[1] == "placement" {
		fmt.Fprintln(os.Stderr, "usage: verify placement | green [STEP ...] | live [STEP ...]")
		os.Exit(2)
	}
	t := &table{binary: "bin/tianfu", shared: os.Getenv("TIANFU_SHARED"), only: os.Args[2:]}
	if t.shared == "" {
		t.shared = "../shared"
	}
	if _, err := os.Stat(t.shared); err != nil && os.Args[1] != "live" {
		fmt.Fprintf(os.Stderr, "verify: %s is not here: put the test traces beside the repository or set TIANFU_SHARED\n", t.shared)
		os.Exit(2)
	}
	// What is measured is what lies here, not what was built some time ago.
	build := exec.Command("go", "build", "-o", t.binary, "./cmd/tianfu")
	build.Stdout, build.Stderr = os.Stderr, os.Stderr
	if err := build.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "verify: go build ./cmd/tianfu:", err)
		os.Exit(1)
	}
	var err error
	if t.scratch, err = os.MkdirTemp("", "verify"); err != nil {
		fmt.Fprintln(os.Stderr, "verify:", err)
		os.Exit(1)
	}
	err = tables[os.Args[1]](t)
	os.RemoveAll(t.scratch)
	if err != nil {
		fmt.Fprintln(os.Stderr, "verify:", err)
		os.Exit(1)
	}
	if short := t.short(); short > 0 {
		fmt.Printf("%d of %d rows fall short\n", short, len(t.rows))
		os.Exit(1)
	}
	fmt.Printf("all %d rows held\n", len(t.rows))
}

func (t *table) short() int {
	n := 0
	for _, r := range t.rows {
		if !r.held {
			n++
		}
	}
	return n
}

// add notes a figure and prints its row at once: the whole table takes minutes.
func (t *table) add(held bool, what, asked, measured string) {
	if len(t.rows) == 0 {
		fmt.Printf("%-69s %-34s %-44s %s\n", "WHAT", "ASKED", "MEASURED", "HELD")
	}
	t.rows = append(t.rows, row{what, asked, measured, held})
	word := "held"
	if !held {
		word = "SHORT"
	}
	fmt.Printf("%-69s %-34s %-44s %s\n", what, asked, measured, word)
}

// atLeast and atMost add a row for a number with a bound.
func (t *table) atLeast(what string, asked, measured float64, unit string) {
	t.add(measured >= asked, what, fmt.Sprintf(">= %s %s", figure(asked), unit), figure(measured)+" "+unit)
}

func (t *table) atMost(what string, asked, measured float64, unit string) {
	t.add(measured <= asked, what, fmt.Sprintf("<= %s %s", figure(asked), unit), figure(measured)+" "+unit)
}

func figure(v float64) string {
	switch {
	case v >= 10000 || v <= -10000:
		return fmt.Sprintf("%.0f", v)
	case v == float64(int64(v)):
		return fmt.Sprintf("%d", int64(v))
	}
	return fmt.Sprintf("%.4g", v)
}

// outcome is one run of the binary.
type outcome struct {
	seconds   float64
	processor float64 // seconds of it, of all cores
	mib       float64 // peak resident memory
}

// run executes the binary and decodes the JSON document it prints.
func (t *table) run(doc any, env []string, args ...string) (outcome, error) {
	cmd := exec.Command(t.binary, append(args, "-o", "json")...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr, cmd.Env = &out, &errs, append(os.Environ(), env...)
	start := time.Now()
	err := cmd.Run()
	o := outcome{seconds: time.Since(start).Seconds()}
	if err != nil {
		return o, fmt.Errorf("%s %v: %w: %s", t.binary, args, err, errs.String())
	}
	o.processor = (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()
	o.mib = float64(cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss) / 1024
	if doc == nil {
		return o, nil
	}
	return o, json.Unmarshal(out.Bytes(), doc)
}

func (t *table) file(name string) string { return filepath.Join(t.shared, name) }
