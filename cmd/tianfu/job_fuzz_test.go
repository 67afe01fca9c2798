package main

import (
	"encoding/json"
	"reflect"
	"testing"

	"tianfu/fault"
)

// FuzzJobFile reads any bytes as a job file. What is refused is refused as
// invalid, with the file's name; what is taken is the same job again when it is
// written as JSON, which YAML can read.
func FuzzJobFile(f *testing.F) {
	for _, seed := range []string{
		"name: x\ncommand: [\"true\"]\n",
		"name: train\ntenant: a\nqueue: q\nclass: batch\npriority: 3\ngroups:\n  - {count: 4, cpu: 500m, memory: 1GiB, accelerators: 2, models: [A100], precisions: [bf16]}\ngang: true\ntopology: must:segment\ncommand: [sh, -c, echo]\nenv: {A: b}\ntime_limit: 2h\n",
		"name: x\ncommand: [a]\nafter: [j-1, \"any:j-2\"]\nretries: 2\nbackoff: 10s\nstart_by: 2030-01-01T00:00:00Z\n",
		"name: &a x\ncommand: [*a]\n", "<<: {name: x}\ncommand: [a]\n", "a: &a [*a]\n", "- 1\n", "{}", "", "name: !!binary eA==\ncommand: [x]\n", "1: 2\n", "name: x\nname: y\ncommand: [z]\n",
		"name: x\ncommand: [a]\ngroups: [{cpu: \"-1\"}]\n", "name: x\ncommand: [a]\ngroups: [{count: 99999999999999999999}]\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := parseJobFile("job.yaml", data)
		if err != nil {
			if kind := fault.KindOf(err); kind != fault.Invalid {
				t.Errorf("refused as %v: %v", kind, err)
			}
			return
		}
		text, err := json.Marshal(b)
		if err != nil {
			t.Fatal(err)
		}
		again, err := parseJobFile("job.yaml", text)
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		second, err := json.Marshal(again)
		if err != nil || !reflect.DeepEqual(text, second) {
			t.Errorf("%v\n%s\n%s", err, text, second)
		}
	})
}
