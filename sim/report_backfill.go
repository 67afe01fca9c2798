package sim

import (
	"fmt"
	"strconv"

	"tianfu/drawing"
)

// BackfillReport makes the page of a run of the queueing protocol, which must
// have been run with Draw.
func BackfillReport(about About, res *BackfillResult, processors int) *drawing.Report {
	r := TimedReport(about, []TimedRun{*res.Run})
	r.Kind = "queueing (backfill protocol)"
	r.Lead = "A log of jobs on one pool of processors, in virtual time: at one instant all ends, then all arrivals, then one pass of the production scheduler."
	r.Title = fmt.Sprintf("With %s, %s waited %s on average and kept %s processors %s %% busy",
		res.Run.Policy, drawing.Count(res.Jobs, "job", "jobs"), drawing.Span(res.MeanWait), drawing.Commas(float64(processors)), drawing.Digits(res.Utilisation, 1))
	r.Tiles = []drawing.Tile{
		{Label: "Mean wait", Value: drawing.Digits(res.MeanWait, 0), Unit: "s", Note: drawing.Span(res.MeanWait)},
		{Label: "Median wait", Value: drawing.Commas(float64(res.P50)), Unit: "s", Note: drawing.Span(float64(res.P50))},
		{Label: "Ninth decile of waits", Value: drawing.Commas(float64(res.P90)), Unit: "s", Note: drawing.Span(float64(res.P90))},
		{Label: "Longest wait", Value: drawing.Commas(float64(res.Max)), Unit: "s", Note: drawing.Span(float64(res.Max))},
		{Label: "Mean bounded slowdown", Value: drawing.Digits(res.MeanBoundedSlowdown, 2), Note: "runs under 10 s count as 10 s"},
		{Label: "Utilisation", Value: drawing.Digits(res.Utilisation, 2), Unit: "%", Note: "over the makespan of " + drawing.Span(float64(res.Makespan))},
	}
	r.Ran = append(r.Ran, drawing.Fact{Label: "Pool", Value: strconv.Itoa(processors) + " processors"}, drawing.Fact{Label: "Queue", Value: res.Run.Policy})
	return r
}
