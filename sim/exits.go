package sim

import (
	"tianfu/control"
	"tianfu/job"
	"tianfu/unit"
)

// exit is the end of an attempt to come. An attempt that was lost before is
// reported all the same; the core ignores what it no longer runs.
type exit struct {
	at      unit.Instant
	id      job.ID
	task    int32
	attempt int32
	node    int32
	ending  control.Ending
	told    *control.Exit
	turn    int32 // which plan of the attempt's end this is; 0 = the only one
}

func (a *exit) before(b *exit) bool {
	switch {
	case a.at != b.at:
		return a.at < b.at
	case a.id != b.id:
		return a.id < b.id
	case a.task != b.task:
		return a.task < b.task
	}
	if a.attempt != b.attempt {
		return a.attempt < b.attempt
	}
	return a.turn < b.turn
}

// exitHeap is a binary heap without the boxing of container/heap: a replay
// pushes and pops one element for every task.
type exitHeap []exit

func (h *exitHeap) push(e exit) {
	*h = append(*h, e)
	s := *h
	for i := len(s) - 1; i > 0; {
		up := (i - 1) / 2
		if !s[i].before(&s[up]) {
			break
		}
		s[i], s[up] = s[up], s[i]
		i = up
	}
}

func (h *exitHeap) pop() exit {
	s := *h
	top := s[0]
	end := len(s) - 1
	s[0] = s[end]
	s = s[:end]
	*h = s
	for i := 0; ; {
		c := 2*i + 1
		if c >= len(s) {
			return top
		}
		if c+1 < len(s) && s[c+1].before(&s[c]) {
			c++
		}
		if !s[c].before(&s[i]) {
			return top
		}
		s[i], s[c] = s[c], s[i]
		i = c
	}
}
