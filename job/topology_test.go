package job_test

import (
	"testing"

	"tianfu/job"
)

// FuzzTopology: what is read prints as it was written.
func FuzzTopology(f *testing.F) {
	for _, s := range []string{"", "prefer:segment", "must:host", "must:fleet", "prefer:", "x:rack"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		w, err := job.ParseTopology(text)
		if err == nil && w.String() != text {
			t.Errorf("%q became %q", text, w)
		}
	})
}

func TestRequestOfATask(t *testing.T) {
	s := &job.Spec{Groups: []job.Group{{Count: 2, Request: job.Request{CPU: 1}}, {Count: 1, Request: job.Request{CPU: 2}}}}
	for task, want := range map[int32]int{0: 1, 1: 1, 2: 2} {
		if r := s.Request(task); r == nil || int(r.CPU) != want {
			t.Errorf("task %d asks %+v, want CPU %d", task, r, want)
		}
	}
	if s.Request(3) != nil || s.Request(-1) != nil {
		t.Error("a task beyond the job asks for something")
	}
}
