package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"tianfu/httpapi"
	"tianfu/unit"
)

// topView is what top shows of a centre.
type topView struct {
	Nodes        topNodes      `json:"nodes"`
	Running      []httpapi.Job `json:"running"`
	Pending      []httpapi.Job `json:"pending"`
	MoreRunning  bool          `json:"more_running,omitempty"`
	MorePending  bool          `json:"more_pending,omitempty"`
	PendingByWhy []topCause    `json:"pending_by_cause,omitempty"`
}

// topNodes sums up the nodes.
type topNodes struct {
	Total            int    `json:"total"`
	Ready            int    `json:"ready"`
	Cordoned         int    `json:"cordoned"`
	Failed           int    `json:"failed"`
	CPU              string `json:"cpu"`
	CPUUsed          string `json:"cpu_used"`
	Memory           string `json:"memory"`
	MemoryUsed       string `json:"memory_used"`
	Accelerators     int    `json:"accelerators"`
	AcceleratorsUsed int    `json:"accelerators_used"`
}

// topCause counts pending jobs by what stands in their way.
type topCause struct {
	Cause string `json:"cause"`
	Jobs  int    `json:"jobs"`
}

func (p *program) top() *cobra.Command {
	r, w := &remote{}, &repeat{}
	var once bool
	var rows int
	c := &cobra.Command{
		Use: "top", Short: "Watch a centre: nodes, what runs, what waits and why", Args: cobra.NoArgs,
		Long: `Watch a centre: its nodes in sum, the jobs that run, and the jobs that wait with the reason. It is drawn again
every two seconds on a screen. --once, another format than a table, or a pipe or file as output prints it once. You
see the jobs that your token may see.`,
		Example: "  tianfu top\n  tianfu top --once -o json",
		RunE: func(c *cobra.Command, _ []string) error {
			client, err := r.client()
			if err != nil {
				return err
			}
			w.watch = !once && p.format == "table" && terminal(p.out)
			return p.show(c.Context(), w, func(p *program) error {
				v, err := lookAround(c.Context(), client, rows)
				if err != nil {
					return err
				}
				return p.print(v, v.table())
			})
		},
	}
	r.register(c)
	c.Flags().BoolVar(&once, "once", false, "print it once")
	c.Flags().IntVar(&rows, "rows", 20, "most jobs of a kind to show, to 1,000")
	c.Flags().DurationVar(&w.every, "every", 2e9, "how often it is drawn")
	return c
}

func lookAround(ctx context.Context, client *httpapi.Client, rows int) (*topView, error) {
	v := &topView{}
	nodes, err := client.Nodes(ctx)
	if err != nil {
		return nil, err
	}
	if v.Nodes, err = sumNodes(nodes); err != nil {
		return nil, err
	}
	running, err := client.Jobs(ctx, httpapi.ListQuery{Phase: "running", Limit: rows})
	if err != nil {
		return nil, err
	}
	pending, err := client.Jobs(ctx, httpapi.ListQuery{Phase: "pending", Limit: rows})
	if err != nil {
		return nil, err
	}
	v.Running, v.MoreRunning, v.Pending, v.MorePending = running.Jobs, running.Next != "", pending.Jobs, pending.Next != ""
	for i := range v.Pending {
		cause := "not looked at yet"
		if r := v.Pending[i].Reason; r != nil {
			cause = r.Cause
		}
		at := 0
		for at < len(v.PendingByWhy) && v.PendingByWhy[at].Cause != cause {
			at++
		}
		if at == len(v.PendingByWhy) {
			v.PendingByWhy = append(v.PendingByWhy, topCause{Cause: cause})
		}
		v.PendingByWhy[at].Jobs++
	}
	return v, nil
}

func sumNodes(nodes []httpapi.Node) (topNodes, error) {
	t := topNodes{Total: len(nodes)}
	var cpu, cpuFree unit.MilliCPU
	var memory, memoryFree unit.MiB
	for i := range nodes {
		n := &nodes[i]
		switch {
		case n.Health == "failed":
			t.Failed++
		case n.Cordoned || n.Drain:
			t.Cordoned++
		default:
			t.Ready++
		}
		for _, x := range []struct {
			sum  *unit.MilliCPU
			text string
		}{{&cpu, n.CPU}, {&cpuFree, n.CPUFree}} {
			v, err := unit.ParseMilliCPU(x.text)
			if err != nil {
				return t, err
			}
			*x.sum += v
		}
		for _, x := range []struct {
			sum  *unit.MiB
			text string
		}{{&memory, n.Memory}, {&memoryFree, n.MemoryFree}} {
			v, err := unit.ParseMiB(x.text)
			if err != nil {
				return t, err
			}
			*x.sum += v
		}
		t.Accelerators += n.Accelerators
		t.AcceleratorsUsed += n.Accelerators - n.Free
	}
	t.CPU, t.CPUUsed, t.Memory, t.MemoryUsed = cpu.String(), (cpu - cpuFree).String(), memory.String(), (memory - memoryFree).String()
	return t, nil
}

func (v *topView) table() *table {
	t := &table{header: []string{"JOB", "NAME", "TENANT", "QUEUE", "PHASE", "TASKS", "PRIORITY", "SINCE", "WHY"}}
	for _, list := range [][]httpapi.Job{v.Running, v.Pending} {
		for i := range list {
			j := &list[i]
			why := ""
			if j.Reason != nil {
				why = j.Reason.Text
			}
			t.add(j.ID, j.Name, j.Tenant, j.Queue, j.Phase, tasksOf(j), strconv.Itoa(int(j.Priority)), httpapi.WholeSeconds(j.Submitted), why)
		}
	}
	n := &v.Nodes
	more := func(is bool) string {
		if is {
			return "+"
		}
		return ""
	}
	lines := []string{
		fmt.Sprintf("nodes: %d ready, %d cordoned, %d failed; in use: %s of %s CPUs, %s of %s memory, %d of %d accelerators",
			n.Ready, n.Cordoned, n.Failed, n.CPUUsed, n.CPU, n.MemoryUsed, n.Memory, n.AcceleratorsUsed, n.Accelerators),
		fmt.Sprintf("jobs: %d%s running, %d%s pending", len(v.Running), more(v.MoreRunning), len(v.Pending), more(v.MorePending)),
	}
	shown := ""
	if v.MorePending { // the causes of the rest were not asked for
		shown = " of those shown"
	}
	for _, c := range v.PendingByWhy {
		lines = append(lines, fmt.Sprintf("  %d%s waiting: %s", c.Jobs, shown, c.Cause))
	}
	t.foot = strings.Join(lines, "\n")
	return t
}

// tasksOf renders how far the tasks of a job are: done, running, of all.
func tasksOf(j *httpapi.Job) string {
	if j.TaskCount == 1 {
		return "1"
	}
	return fmt.Sprintf("%d+%d/%d", j.TasksDone, j.TasksActive, j.TaskCount)
}
