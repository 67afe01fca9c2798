package sim

import (
	"io"

	"github.com/parquet-go/parquet-go"

	"tianfu/unit"
)

// TaskRow is what became of one job, as a row of Parquet. Times are in seconds
// of virtual time; -1 = never.
type TaskRow struct {
	Job          string  `parquet:"job"`
	Tenant       string  `parquet:"tenant,dict"`
	Priority     int32   `parquet:"priority"`
	Submit       float64 `parquet:"submit_s"`
	FirstStart   float64 `parquet:"first_start_s"`
	LastStart    float64 `parquet:"last_start_s"`
	End          float64 `parquet:"end_s"`
	Wait         float64 `parquet:"wait_s"` // until the first start; -1 = never started
	Lost         float64 `parquet:"lost_s"` // of attempts that did not finish
	Attempts     int32   `parquet:"attempts"`
	Segments     int32   `parquet:"segments"`
	Node         string  `parquet:"node,dict"` // of the first task
	Tasks        int32   `parquet:"tasks"`
	CPU          int32   `parquet:"cpu_milli"`
	Memory       int32   `parquet:"memory_mib"`
	Accelerators int32   `parquet:"accelerators"`
	Share        int32   `parquet:"share_milli"`
	Done         bool    `parquet:"done"`
}

// WriteTaskParquet writes one row for every job of a finished replay.
func WriteTaskParquet(w io.Writer, t *Timed) error {
	out := parquet.NewGenericWriter[TaskRow](w)
	rows := make([]TaskRow, 0, 1024)
	for _, i := range t.order {
		rows = append(rows, t.taskRow(i))
		if len(rows) == cap(rows) {
			if _, err := out.Write(rows); err != nil {
				return err
			}
			rows = rows[:0]
		}
	}
	if _, err := out.Write(rows); err != nil {
		return err
	}
	return out.Close()
}

func (t *Timed) taskRow(i int32) TaskRow {
	r, s := &t.Results[i], t.p.Workload.Jobs[i].Spec
	q := &s.Groups[0].Request
	row := TaskRow{
		Job: s.Name, Tenant: string(s.Tenant), Priority: s.Priority, Submit: since(r.Submit), FirstStart: since(r.First),
		LastStart: since(r.Start), End: since(r.End), Wait: -1, Lost: r.Lost.Seconds(), Attempts: r.Attempts, Segments: r.Segments,
		Tasks: int32(s.Tasks()), CPU: int32(q.CPU), Memory: int32(q.Memory), Accelerators: int32(q.Accelerators), Share: int32(q.Share), Done: r.Done,
	}
	if r.First >= 0 {
		row.Wait = r.First.Sub(r.Submit).Seconds()
	}
	if r.Node >= 0 {
		row.Node = string(t.state.Capacity().Node(r.Node).ID)
	}
	return row
}

func since(t unit.Instant) float64 {
	if t < 0 {
		return -1
	}
	return t.Sub(0).Seconds()
}

// WriteIntervalParquet writes the intervals of a replay.
func WriteIntervalParquet(w io.Writer, rows []Interval) error {
	out := parquet.NewGenericWriter[Interval](w)
	if _, err := out.Write(rows); err != nil {
		return err
	}
	return out.Close()
}
