package sim

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"tianfu/fault"
	"tianfu/fleet"
	"tianfu/job"
	"tianfu/unit"
)

// swfColumns is the number of fields of a Standard Workload Format line
// (Chapin et al., JSSPP 1999; cs.huji.ac.il/labs/parallel/workload/swf.html).
const swfColumns = 18

// readSWF reads a Standard Workload Format log for one pool of processors. Of
// the columns it takes 1 (job), 2 (submit), 4 (run time) and 5 (processors
// used; 8, requested, where that is -1). A job that is larger than the pool or
// has no run time is left out and counted.
func readSWF(name string, r io.Reader, processors int) (*Workload, error) {
	w := &Workload{Name: name, Timed: true, Skipped: map[string]int{}}
	sc := bufio.NewScanner(r)
	sc.Buffer(make([]byte, 1<<16), maxLine)
	line := 0
	seen := map[int64]int{}
	for sc.Scan() {
		line++
		text := strings.TrimSpace(sc.Text())
		if text == "" || text[0] == ';' {
			continue
		}
		fields := strings.Fields(text)
		where := fmt.Sprintf("%s:%d", name, line)
		if len(fields) != swfColumns {
			return nil, fault.New(fault.Invalid, where, fmt.Sprintf("has %d fields", len(fields)), "a line of the Standard Workload Format has 18")
		}
		var v [swfColumns]int64
		for _, i := range []int{0, 1, 3, 4, 7} {
			f, err := strconv.ParseFloat(fields[i], 64)
			if err != nil || math.IsNaN(f) || f < -1 || f > maxTime {
				return nil, fault.New(fault.Invalid, where, fmt.Sprintf("column %d is %q", i+1, fields[i]), "-1 or a number from 0 is allowed")
			}
			v[i] = int64(f)
		}
		if first, twice := seen[v[0]]; twice {
			return nil, fault.New(fault.Invalid, where, fmt.Sprintf("job %d is on line %d already", v[0], first), "")
		}
		seen[v[0]] = line
		if a, skip := swfJob(&v, processors); skip != "" {
			w.Skipped[skip]++
		} else {
			a.Line = line
			w.Jobs = append(w.Jobs, a)
		}
		if len(w.Jobs) > maxRows {
			return nil, fault.New(fault.Invalid, where, fmt.Sprintf("more than %d jobs", maxRows), "split the file")
		}
	}
	if err := sc.Err(); err != nil {
		if errors.Is(err, bufio.ErrTooLong) {
			return nil, fault.New(fault.Invalid, fmt.Sprintf("%s:%d", name, line+1), errLongLine.Error(), "check that the file is text with line ends")
		}
		return nil, &fault.Error{Kind: fault.Unavailable, Where: name, What: "read", Err: err}
	}
	if len(w.Jobs) == 0 {
		return nil, fault.New(fault.Invalid, name, "has no job that fits the pool", "check --processors")
	}
	return w, nil
}

func swfJob(v *[swfColumns]int64, processors int) (Arrival, string) {
	need := v[4]
	if need == -1 {
		need = v[7]
	}
	switch {
	case v[3] < 0:
		return Arrival{}, "no run time"
	case need <= 0:
		return Arrival{}, "no processors"
	case processors > 0 && need > int64(processors):
		return Arrival{}, "larger than the pool"
	case need > maxPool:
		return Arrival{}, "larger than any pool"
	}
	run := time.Duration(v[3]) * time.Second
	return Arrival{
		Spec: &job.Spec{
			Name: strconv.FormatInt(v[0], 10), Tenant: "swf", ExpectedRun: run,
			Groups: []job.Group{{Count: 1, Request: job.Request{CPU: unit.MilliCPU(need * 1000)}}},
		},
		Submit: unit.At(max(v[1], 0)), Run: run, Number: v[0],
	}, ""
}

// maxPool is the largest pool of processors: they are counted in thousandths
// in 31 bits.
const maxPool = 2_000_000

// Pool returns a fleet of one node with so many processors, as the rules of
// queueing papers have it: no other constraint.
func Pool(processors int) *fleet.Fleet {
	return &fleet.Fleet{Name: "pool", Nodes: []fleet.Node{{ID: "pool", CPU: unit.MilliCPU(processors * 1000), Memory: SpotMemory}}}
}
