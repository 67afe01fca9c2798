package main

import (
	"regexp"
	"testing"

	"tianfu/fleet"
	"tianfu/job"
	"tianfu/sched"
)

// The world file of a first run holds as it is, and with every setting taken up.
func TestFirstWorldExplainsItself(t *testing.T) {
	m := machine{Name: "n", Node: "n", Zone: "Asia/Shanghai", CPUs: 4, Memory: 16384, Watts: 1000}
	text, err := m.world()
	if err != nil {
		t.Fatal(err)
	}
	if _, warnings, err := fleet.ParseWorld("world.yaml", text); err != nil || len(warnings) > 0 {
		t.Errorf("as written: %v %v", warnings, err)
	}
	all := regexp.MustCompile(`(?m)^( *)#(\S)`).ReplaceAll(text, []byte("$1$2"))
	w, warnings, err := fleet.ParseWorld("world.yaml", all)
	if err != nil || len(warnings) > 0 {
		t.Fatalf("with every setting: %v %v\n%s", warnings, err, all)
	}
	if len(job.QueueingOf(w).Queues) != 2 || sched.PowerOf(w) == nil || len(w.Datasets) != 1 || ratesOf(w) == nil {
		t.Errorf("settings that were taken up say nothing:\n%s", all)
	}
}
