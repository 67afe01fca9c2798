package httpapi

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"tianfu/fault"
	"tianfu/job"
)

// ArrayBody says which elements an array has: "FIRST-LAST[:STEP][%PARALLEL]",
// as schedulers of clusters write it, or an object with count and parallel.
type ArrayBody struct {
	First    int `json:"first,omitempty"`
	Last     int `json:"-"`
	Step     int `json:"-"`
	Count    int `json:"count"`
	Parallel int `json:"parallel,omitempty"`
}

// maxIndex bounds the indices of an array.
const maxIndex = 1_000_000_000

// ParseArray reads "1-1000", "0-99:10" or "1-1000%50".
func ParseArray(s string) (*ArrayBody, error) {
	bad := fault.New(fault.Invalid, "array", strconv.Quote(s)+" is not an array", "write it like 1-1000, 0-90:10 or 1-1000%50; or {count: 1000, parallel: 50}")
	number := func(text string) (int, bool) {
		n, err := strconv.Atoi(text)
		return n, err == nil && n >= 0 && n <= maxIndex && !strings.HasPrefix(text, "+")
	}
	a := &ArrayBody{Step: 1}
	rest, parallel, bounded := strings.Cut(s, "%")
	rest, step, stepped := strings.Cut(rest, ":")
	first, last, span := strings.Cut(rest, "-")
	ok := [4]bool{true, true, true, true}
	a.First, ok[0] = number(first)
	if a.Last = a.First; span {
		a.Last, ok[1] = number(last)
	}
	if stepped {
		a.Step, ok[2] = number(step)
	}
	if bounded {
		a.Parallel, ok[3] = number(parallel)
		ok[3] = ok[3] && a.Parallel > 0
	}
	if ok != [4]bool{true, true, true, true} || a.Step < 1 || a.Last < a.First {
		return nil, bad
	}
	a.Count = (a.Last-a.First)/a.Step + 1
	return a, a.check()
}

func (a *ArrayBody) check() error {
	switch {
	case a.Count < 1 || a.Count > job.MaxTasks:
		return fault.New(fault.Invalid, "array", strconv.Itoa(a.Count)+" elements", "an array has 1 to 10,000: make several")
	case a.Parallel < 0 || a.Parallel > job.MaxTasks:
		return fault.New(fault.Invalid, "array.parallel", strconv.Itoa(a.Parallel)+" is not between 1 and 10,000", "leave it out for no bound")
	case a.First < 0 || a.First > maxIndex:
		return fault.New(fault.Invalid, "array.first", strconv.Itoa(a.First)+" is not between 0 and 1,000,000,000", "")
	}
	return nil
}

// UnmarshalJSON reads either form.
func (a *ArrayBody) UnmarshalJSON(b []byte) error {
	var text string
	if json.Unmarshal(b, &text) == nil {
		x, err := ParseArray(text)
		if err != nil {
			return err
		}
		*a = *x
		return nil
	}
	var number int
	if json.Unmarshal(b, &number) == nil {
		a.Count = number
	} else {
		type plain ArrayBody
		d := json.NewDecoder(strings.NewReader(string(b)))
		d.DisallowUnknownFields()
		if err := d.Decode((*plain)(a)); err != nil {
			return err
		}
	}
	a.Step, a.Last = 1, a.First+a.Count-1
	return a.check()
}

// MarshalJSON writes the short form.
func (a ArrayBody) MarshalJSON() ([]byte, error) { return json.Marshal(a.String()) }

// String renders the short form.
func (a *ArrayBody) String() string {
	s := strconv.Itoa(a.First) + "-" + strconv.Itoa(a.Last)
	if a.Step > 1 {
		s += ":" + strconv.Itoa(a.Step)
	}
	if a.Parallel > 0 {
		s += "%" + strconv.Itoa(a.Parallel)
	}
	return s
}

// Schema describes both forms.
func (a *ArrayBody) Schema(huma.Registry) *huma.Schema {
	zero, one, most, index := 0.0, 1.0, float64(job.MaxTasks), float64(maxIndex)
	return &huma.Schema{OneOf: []*huma.Schema{
		{Type: "string", Pattern: `^[0-9]{1,10}(-[0-9]{1,10}(:[0-9]{1,10})?)?(%[0-9]{1,5})?$`, Description: "FIRST-LAST[:STEP][%PARALLEL]"},
		{Type: "object", AdditionalProperties: false, Required: []string{"count"}, Properties: map[string]*huma.Schema{
			"count":    {Type: "integer", Minimum: &one, Maximum: &most, Description: "Elements"},
			"parallel": {Type: "integer", Minimum: &zero, Maximum: &most, Description: "The most that run at one time; all when left out"},
			"first":    {Type: "integer", Minimum: &zero, Maximum: &index, Description: "Index of the first; 0 when left out"},
		}},
	}}
}

// arrange makes an array of a job and marks work that saves its progress.
func (b *JobBody) arrange(s *job.Spec, w *job.Work) error {
	if w.Checkpoint != nil {
		if b.StopSignal != "" && w.Checkpoint.Signal != "" && b.StopSignal != w.Checkpoint.Signal {
			return fault.New(fault.Invalid, "stop_signal", "is another than checkpoint.signal, and one of them is sent first", "give checkpoint.signal alone")
		}
		s.Pausable = true
	}
	if b.Array == nil {
		return nil
	}
	if err := b.Array.check(); err != nil {
		return err
	}
	if len(s.Groups) != 1 || s.Groups[0].Count != 1 {
		return fault.New(fault.Invalid, "array", "takes one group of one task, which every element runs", "leave count out, or make a gang without an array")
	}
	s.Array, s.Parallel, s.Groups[0].Count = true, int32(b.Array.Parallel), b.Array.Count
	w.Array = &job.Array{First: b.Array.First, Step: max(b.Array.Step, 1), Last: b.Array.Last}
	return nil
}

// arrayOf returns the array that a job was submitted as; nil for none.
func arrayOf(s *job.Spec) *ArrayBody {
	if !s.Array {
		return nil
	}
	w, err := job.DecodeWork(s.Work)
	if err != nil || w.Array == nil {
		return nil
	}
	return &ArrayBody{First: w.Array.First, Last: w.Array.Last, Step: w.Array.Step, Count: s.Tasks(), Parallel: int(s.Parallel)}
}
