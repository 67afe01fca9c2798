package engine

import (
	"cmp"
	"strconv"
	"strings"

	"tianfu/fault"
	"tianfu/job"
)

// Key names one attempt at one task: it is what makes Start idempotent.
type Key struct {
	Job        job.ID `json:"job"`
	Task       int    `json:"task"`
	Generation uint32 `json:"generation"`
}

// String renders "j-42.0.1": job, task, generation. It is a valid file name.
func (k Key) String() string {
	return k.Job.String() + "." + strconv.Itoa(k.Task) + "." + strconv.FormatUint(uint64(k.Generation), 10)
}

// Compare orders keys by job, task and generation.
func (k Key) Compare(o Key) int {
	return cmp.Or(cmp.Compare(k.Job, o.Job), cmp.Compare(k.Task, o.Task), cmp.Compare(k.Generation, o.Generation))
}

// ParseKey reads what String renders, and nothing else; the error is Invalid.
func ParseKey(s string) (Key, error) {
	bad := fault.Invalidf("key "+strconv.Quote(s), "is not job.task.generation, e.g. j-42.0.1")
	rest, ok := strings.CutPrefix(s, "j-")
	parts := strings.Split(rest, ".")
	if !ok || len(parts) != 3 {
		return Key{}, bad
	}
	id, err1 := strconv.ParseUint(parts[0], 10, 64)
	task, err2 := strconv.ParseInt(parts[1], 10, 32)
	generation, err3 := strconv.ParseUint(parts[2], 10, 32)
	k := Key{Job: job.ID(id), Task: int(task), Generation: uint32(generation)}
	if err1 != nil || err2 != nil || err3 != nil || task < 0 || k.String() != s {
		return Key{}, bad
	}
	return k, nil
}
