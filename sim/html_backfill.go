package sim

import (
	"fmt"
	"strconv"
)

// BackfillReport makes the page of a run of the queueing protocol, which must
// have been run with Draw.
func BackfillReport(about About, res *BackfillResult, processors int) *Report {
	r := TimedReport(about, []TimedRun{*res.Run})
	r.Kind = "queueing (backfill protocol)"
	r.Lead = "A log of jobs on one pool of processors, in virtual time: at one instant all ends, then all arrivals, then one pass of the production scheduler."
	r.Title = fmt.Sprintf("With %s, %s waited %s on average and kept %s processors %s %% busy",
		res.Run.Policy, count(res.Jobs, "job", "jobs"), span(res.MeanWait), commas(float64(processors)), digits(res.Utilisation, 1))
	r.Tiles = []Tile{
		{Label: "Mean wait", Value: digits(res.MeanWait, 0), Unit: "s", Note: span(res.MeanWait)},
		{Label: "Median wait", Value: commas(float64(res.P50)), Unit: "s", Note: span(float64(res.P50))},
		{Label: "Ninth decile of waits", Value: commas(float64(res.P90)), Unit: "s", Note: span(float64(res.P90))},
		{Label: "Longest wait", Value: commas(float64(res.Max)), Unit: "s", Note: span(float64(res.Max))},
		{Label: "Mean bounded slowdown", Value: digits(res.MeanBoundedSlowdown, 2), Note: "runs under 10 s count as 10 s"},
		{Label: "Utilisation", Value: digits(res.Utilisation, 2), Unit: "%", Note: "over the makespan of " + span(float64(res.Makespan))},
	}
	r.Ran = append(r.Ran, Fact{"Pool", strconv.Itoa(processors) + " processors"}, Fact{"Queue", res.Run.Policy})
	return r
}
