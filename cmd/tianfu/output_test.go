package main

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"tianfu/httpapi"
)

// asked is how every command is asked to see that it keeps to -o, in this order.
// FORMAT stands for the format, NUMBER for 1, 2 or 3.
var asked = []struct{ command, args string }{
	{"api", "GET /v1/jobs"},
	{"audit export", ""},
	{"audit list", ""},
	{"audit verify", "audit.json"},
	{"backup", "--to FORMAT.backup"},
	{"restore", "FORMAT.backup --check"},
	{"bill", "--month 2026-07"},
	{"budget list", ""},
	{"cap set", "site=here 900W for=1h"},
	{"cap list", ""},
	{"cap clear", "NUMBER"},
	{"catalogue compose", "a100-8"},
	{"catalogue list", ""},
	{"catalogue show", "A100"},
	{"check", "world.yaml"},
	{"context add", "FORMAT --server SERVER"},
	{"context list", ""},
	{"context use", "FORMAT"},
	{"context show", ""},
	{"context remove", "FORMAT"},
	{"dataset list", ""},
	{"doctor", ""},
	{"green factors", ""},
	{"green plants", ""},
	{"green signal", ""},
	{"green tariff", "--at 2026-08-03T13:30:00+08:00"},
	{"job submit", "--tenant physics -- true"},
	{"job wait", "j-1"},
	{"job show", "j-1"},
	{"job list", ""},
	{"job logs", "j-1"},
	{"job schema", ""},
	{"why", "j-1"},
	{"meter list", "--world world.yaml"},
	{"meter read", "--world world.yaml"},
	{"meter status", ""},
	{"node list", ""},
	{"node show", "one"},
	{"node cordon", "one"},
	{"node uncordon", "one"},
	{"plan show", ""},
	{"power show", ""},
	{"queue list", ""},
	{"queue show", "train"},
	{"receipt", "j-1"},
	{"reservation create", "FORMAT --queue train --nodes one --from NUMBERh --for 30m"},
	{"reservation list", ""},
	{"reservation show", "FORMAT"},
	{"reservation delete", "FORMAT"},
	{"token create", "--role auditor --name x"},
	{"token list", ""},
	{"top", ""},
	{"trace list", ""},
	{"usage", ""},
	{"whatif list", ""},
	{"whoami", ""},
	{"world reload", ""},
	{"world show", ""},
}

// unasked are those that need traces, a data directory, a network or a person, or
// that do not end: of them the refusals are tried.
var unasked = []string{
	"compare",
	"fleet import",
	"green forecast",
	"green protocol bounded",
	"green protocol gaia",
	"green protocol lets-wait-awhile",
	"green pue",
	"job cancel",
	"job watch",
	"login",
	"logout",
	"meter watch",
	"node drain",
	"receipt verify",
	"replay",
	"report kpi",
	"serve",
	"shim",
	"store repair",
	"store verify",
	"token reset",
	"token revoke",
	"trace convert",
	"trace fetch",
	"trace generate",
	"trace info",
	"whatif",
	"whatif show",
}

// commands lists every command that does something, by its path.
func commands(c *cobra.Command, out map[string]*cobra.Command) map[string]*cobra.Command {
	for _, sub := range c.Commands() {
		commands(sub, out)
		if !sub.HasSubCommands() || strings.Contains(sub.Use, " ") {
			out[strings.TrimPrefix(sub.CommandPath(), "tianfu ")] = sub
		}
	}
	return out
}

// TestEveryCommandKnowsItsFormats refuses what is no format in every command
// before anything is done, and in those that print in some formats the others.
func TestEveryCommandKnowsItsFormats(t *testing.T) {
	root := (&program{}).root()
	all := commands(root, map[string]*cobra.Command{})
	for path, c := range all {
		if !slices.Contains(unasked, path) && !slices.ContainsFunc(asked, func(a struct{ command, args string }) bool { return a.command == path }) {
			t.Errorf("what does tianfu %s print with -o csv? Add it to the table of this test", path)
		}
		required, _ := placesOf(c.Use)
		args := strings.Fields(path)
		for range required {
			args = append(args, "x")
		}
		if path == "job submit" {
			args = append(args, "x")
		}
		if code, out, errs := execute(append(args, "-o", "xml")...); code != 2 || !strings.Contains(errs, `--output: "xml" is not a format; use table, json, yaml or csv`) {
			t.Errorf("tianfu %s -o xml: %d %s%s", path, code, out, errs)
		}
		formats, some := c.Annotations[onlyFormats]
		for _, f := range []string{"json", "yaml", "csv"} {
			if !some || strings.Contains(formats, f) {
				continue
			}
			if code, out, errs := execute(append(args, "-o", f)...); code != 2 || !strings.Contains(errs, "--output: tianfu "+path) || out != "" {
				t.Errorf("tianfu %s -o %s: %d %s%s", path, f, code, out, errs)
			}
		}
	}
}

// TestEveryCommandPrintsCSV asks a real server in every way there is: what is said
// to be CSV, JSON or YAML is.
func TestEveryCommandPrintsCSV(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	t.Setenv("XDG_CONFIG_HOME", dir)
	world := filepath.Join(dir, "world.yaml")
	text := powerWorld + "queues: [{name: train, tenants: [physics]}]\n"
	if err := os.WriteFile(world, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s := startServer(t, "--node", "one", "--world", world, "--meter-every", "1s")
	t.Setenv("TIANFU_TOKEN", s.token)
	t.Setenv("TIANFU_SERVER", "http://"+s.address)
	c := s.client()
	ran, err := c.Submit(t.Context(), &httpapi.JobBody{Name: "x", Tenant: "physics", WorkBody: httpapi.WorkBody{Command: []string{"true"}}}, "", false)
	if err != nil {
		t.Fatal(err)
	}
	waitEnd(t, c, ran.ID)
	_, records, _ := execute("audit", "export", "-o", "json")
	if err := os.WriteFile("audit.json", []byte(records), 0o600); err != nil {
		t.Fatal(err)
	}
	all := commands((&program{}).root(), map[string]*cobra.Command{})
	for i, f := range []string{"csv", "json", "yaml"} {
		fill := strings.NewReplacer("SERVER", "http://"+s.address, "FORMAT", f, "NUMBER", strconv.Itoa(i+1))
		for _, a := range asked {
			if formats, some := all[a.command].Annotations[onlyFormats]; some && !strings.Contains(formats, f) {
				continue
			}
			args := append(append(strings.Fields(a.command), "-o", f), strings.Fields(fill.Replace(a.args))...)
			code, out, errs := execute(args...)
			if code != 0 && a.command != "doctor" {
				t.Errorf("tianfu %s: code %d: %s", strings.Join(args, " "), code, errs)
			}
			if bad := notOf(f, out); bad != nil {
				t.Errorf("tianfu %s prints no %s: %v\n%.600s", strings.Join(args, " "), f, bad, out)
			}
		}
	}
}

// notOf says why a text is not of a format; an empty one is of any.
func notOf(format, text string) error {
	var doc any
	switch format {
	case "csv":
		rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
		if err == nil && len(rows) > 0 && strings.Trim(rows[0][0], "{[ ") == "" {
			return errors.New("it is a document")
		}
		return err
	case "yaml":
		return yaml.Unmarshal([]byte(text), &doc)
	}
	if text == "" {
		return nil
	}
	return json.Unmarshal([]byte(text), &doc)
}

// TestColumnsOfChinese lays out names in characters that take two columns on a
// terminal: what stands after them lines up.
func TestColumnsOfChinese(t *testing.T) {
	var out strings.Builder
	list := &table{header: []string{"NAME", "PHASE"}}
	list.add("训练-成都", "running")
	list.add("train", "pending")
	if err := list.write(&out); err != nil {
		t.Fatal(err)
	}
	if want := "NAME       PHASE\n训练-成都  running\ntrain      pending\n"; out.String() != want {
		t.Errorf("the table is\n%swant\n%s", out.String(), want)
	}
}

// TestTopCountsWhatItShows holds top to say of a page of what waits that it is a page.
func TestTopCountsWhatItShows(t *testing.T) {
	for more, want := range map[bool]string{false: "  1 waiting: cordoned", true: "  1 of those shown waiting: cordoned"} {
		v := &topView{Pending: []httpapi.Job{{ID: "j-1"}}, MorePending: more, PendingByWhy: []topCause{{Cause: "cordoned", Jobs: 1}}}
		if foot := v.table().foot; !strings.Contains(foot, want) {
			t.Errorf("more %v: %q, want %q", more, foot, want)
		}
	}
}
