package main

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// TestEveryCommandShowsHowToUseIt holds every command that does something to an
// example, and every one that takes arguments to a sentence when they are missing.
func TestEveryCommandShowsHowToUseIt(t *testing.T) {
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		for _, sub := range c.Commands() {
			walk(sub)
		}
		if c.Hidden || c.Name() == "help" || c.HasParent() && c.Parent().Name() == "completion" {
			return
		}
		required, _ := placesOf(c.Use)
		if c.HasSubCommands() && len(required) == 0 {
			return
		}
		if exampleOf(c) == "" {
			t.Errorf("%s: has no example", c.CommandPath())
		}
		if len(required) == 0 {
			return
		}
		var out, err bytes.Buffer
		p := &program{out: &out, err: &err}
		args := strings.Fields(c.CommandPath())[1:]
		if code := p.Run(context.Background(), args); code != 2 {
			t.Errorf("%s without arguments: exit code %d, want 2", c.CommandPath(), code)
		}
		for _, want := range append(required, "missing; for example: tianfu ") {
			if !strings.Contains(err.String(), want) {
				t.Errorf("%s without arguments says %q; want %q in it", c.CommandPath(), err.String(), want)
			}
		}
	}
	walk((&program{}).root())
}

func TestMistypedWordsAreGuessed(t *testing.T) {
	for _, x := range []struct{ line, want string }{
		{"job sbmit", `unknown command "sbmit" for "tianfu job"; did you mean submit?`},
		{"jbo list", `unknown command "jbo" for "tianfu"; did you mean job?`},
		{"zzzzz", `unknown command "zzzzz" for "tianfu" (see "tianfu --help")`},
		{"job list --phsae x", "unknown flag: --phsae; did you mean --phase?"},
		{"job list --nothing-like-it", `unknown flag: --nothing-like-it (see "tianfu job list --help")`},
		{"job list x", `tianfu job list takes no arguments, and "x" is one; for example: tianfu job list`},
		{"job show j-1 j-2", `"j-2" is one argument too many: tianfu job show takes JOB; for example: tianfu job show j-42`},
		{"cap set site=a", "AMOUNT is missing; for example: tianfu cap set site=jianzhou 70% for=6d"},
		{"whatif", "CHANGE is missing; for example: tianfu whatif "},
		{"report kpi", "--period and --site are missing; for example: tianfu report kpi --site"},
	} {
		var out, err bytes.Buffer
		p := &program{out: &out, err: &err}
		if code := p.Run(context.Background(), strings.Fields(x.line)); code != 2 || !strings.Contains(err.String(), x.want) {
			t.Errorf("tianfu %s: exit code %d, %q; want 2 and %q in it", x.line, code, err.String(), x.want)
		}
	}
}
