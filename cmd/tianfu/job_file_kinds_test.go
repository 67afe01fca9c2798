package main

import (
	"strings"
	"testing"
)

// Numbers serve where the API wants text, as people write them: cpu: 4. What is of
// another kind is said in plain words.
func TestJobFileKinds(t *testing.T) {
	b, err := parseJobFile("x.yaml", []byte("name: 5\nqueue: q\nenv: {PORT: 8080, DEBUG: true}\ncommand: [sleep, 60]\ngroups: [{name: main, count: 2, cpu: 1, accelerators: 1, share: 0.5}]\n"))
	if err != nil {
		t.Fatal(err)
	}
	if g := b.Groups[0]; b.Name != "5" || b.Env["PORT"] != "8080" || b.Env["DEBUG"] != "true" || b.Command[1] != "60" || g.CPU != "1" || g.Share != "0.5" || g.Count != 2 {
		t.Errorf("%+v", b)
	}
	for text, want := range map[string]string{
		"command: echo hi":                  "x.yaml:2: command: text where a list is wanted",
		"groups: {cpu: 1}":                  "x.yaml:2: groups: a block of keys where a list is wanted",
		"groups: [{count: two}]":            "groups.count: text where a whole number is wanted",
		"groups: [{cpu: [1]}]":              "groups.cpu: a list where text is wanted",
		"preemptible: 3":                    "x.yaml:2: preemptible: a number where true or false is wanted",
		"command: [x]\nenv: {A: {B: true}}": "where text is wanted",
	} {
		if _, err := parseJobFile("x.yaml", []byte("name: x\n"+text+"\n")); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "Go ") {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}
