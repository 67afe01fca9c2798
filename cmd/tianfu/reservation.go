package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tianfu/fault"
	"tianfu/fleet"
	"tianfu/httpapi"
	"tianfu/unit"
)

func (p *program) reservation() *cobra.Command {
	r := &remote{}
	c := &cobra.Command{Use: "reservation", Short: "Keep nodes of a running centre, or amounts of them, for a queue in windows, once or recurring", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	r.register(c)
	c.AddCommand(p.reservationList(r), p.reservationShow(r), p.reservationCreate(r), p.reservationDelete(r))
	return c
}

func (p *program) reservationList(r *remote) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the reservations that are not over", Args: cobra.NoArgs, Example: "  tianfu reservation list",
		Long: `List the reservations of the world file and those made here, without those that are over.
A tenant sees those for its own queues; of others how many nodes they keep and when.`,
		RunE: p.asking(r, func(c *cobra.Command, client *httpapi.Client, _ []string) error {
			out, err := client.Reservations(c.Context())
			if err != nil {
				return err
			}
			return p.print(out, reservationsTable(out))
		}),
	}
}

func (p *program) reservationShow(r *remote) *cobra.Command {
	return &cobra.Command{
		Use: "show NAME", Short: "Show a reservation with its nodes and next windows", Args: cobra.ExactArgs(1), Example: "  tianfu reservation show course",
		RunE: p.asking(r, func(c *cobra.Command, client *httpapi.Client, args []string) error {
			out, err := client.Reservation(c.Context(), args[0])
			if err != nil {
				return err
			}
			return p.print(out, reservationTable(out))
		}),
	}
}

// reserveFlags are a reservation as it is asked for.
type reserveFlags struct {
	body          httpapi.ReservationBody
	from, to, key string
	lasts         string
}

func (p *program) reservationCreate(r *remote) *cobra.Command {
	f := &reserveFlags{}
	c := &cobra.Command{
		Use: "create NAME", Short: "Make a reservation", Args: cobra.ExactArgs(1),
		Long: `Keep whole nodes for a queue: --nodes names them; --count or --accelerators take as many, of a --model, from the
last declared backwards, that nobody has reserved at the time.

With --cpu or --memory amounts are kept instead: so much, and so many --accelerators of a --model, on nodes that the
centre chooses (some of --nodes, if given): what is free at the time first, then the fewest nodes. Of CPU and memory,
what is left out is kept in proportion. When one of the nodes fails or is cordoned, others are chosen. The queue may
use the rest of these nodes as well; what it uses there counts as its part.

One window: --from (now when left out; an instant or a time from now) and --to or --for. Recurring: --days and --hours,
by the clock of the nodes' site, within --from and --to, for at most 400 days.

What others still run there when a window opens is told to leave; of amounts, as much as is in the way, the least
important first. The reservation survives restarts and reloads of the world; a reload that would take its nodes or
its queue away is refused until it is ended.`,
		Example: "  tianfu reservation create course --queue train --nodes 'n{01..04}' --from 2026-12-05T09:00:00+08:00 --for 3h\n  tianfu reservation create nightly --queue genomes --accelerators 16 --model A100 --days daily --hours 22:00-06:00\n  tianfu reservation create class --queue train --cpu 16 --accelerators 8 --model A100 --days mon,tue,wed,thu,fri --hours 09:00-12:00",
		RunE: func(c *cobra.Command, args []string) error {
			f.body.Name = args[0]
			if err := f.times(time.Now()); err != nil {
				return err
			}
			client, err := r.client()
			if err != nil {
				return err
			}
			out, err := client.Reserve(c.Context(), &f.body, f.key)
			if err != nil {
				return err
			}
			return p.print(out, reservationTable(out))
		},
	}
	fl := c.Flags()
	fl.StringVar(&f.body.Queue, "queue", "", "whose jobs run there")
	fl.StringVar(&f.body.Nodes, "nodes", "", "these nodes, such as n{01..04}; of amounts, some of them")
	fl.StringVar(&f.body.CPU, "cpu", "", "an amount: CPUs, on nodes that the centre chooses")
	fl.StringVar(&f.body.Memory, "memory", "", "an amount, such as 64GiB")
	fl.IntVar(&f.body.Count, "count", 0, "so many nodes")
	fl.IntVar(&f.body.Accelerators, "accelerators", 0, "as many nodes as hold so many; with --cpu or --memory, so many accelerators")
	fl.StringVar(&f.body.Model, "model", "", "of this accelerator model")
	fl.StringVar(&f.from, "from", "", "an instant, or a time from now such as 2h")
	fl.StringVar(&f.to, "to", "", "an instant, or a time from now")
	fl.StringVar(&f.lasts, "for", "", "how long, in place of --to")
	fl.StringVar(&f.body.Days, "days", "", "it recurs: daily, or days such as mon,wed,fri")
	fl.StringVar(&f.body.Hours, "hours", "", "such as 22:00-06:00")
	fl.StringVar(&f.key, "key", "", "idempotency key: asking again with it makes nothing new")
	c.MarkFlagRequired("queue")
	return c
}

// times works out the instants of the body.
func (f *reserveFlags) times(now time.Time) error {
	var err error
	if f.body.From, err = instantFrom("--from", f.from, now); err != nil {
		return err
	}
	if f.lasts == "" {
		f.body.To, err = instantFrom("--to", f.to, now)
		return err
	}
	if f.to != "" {
		return fault.New(fault.Invalid, "--for", "is given with --to", "give one of them")
	}
	begin := now
	if f.body.From != "" {
		if begin, err = time.Parse(time.RFC3339Nano, f.body.From); err != nil {
			return err
		}
	}
	f.body.To, err = instantFrom("--for", f.lasts, begin)
	return err
}

// instantFrom reads an instant, or a time from another; nothing from nothing.
func instantFrom(flag, text string, from time.Time) (string, error) {
	if text == "" {
		return "", nil
	}
	if d, err := unit.ParseDuration(text); err == nil {
		return from.Add(d).UTC().Format(time.RFC3339Nano), nil
	}
	at, err := unit.ParseInstant(text)
	if err != nil {
		return "", fault.New(fault.Invalid, flag, fmt.Sprintf("%q is neither an instant nor a time", text), "write it like 2026-12-05T09:00:00+08:00 or 2h")
	}
	return time.Unix(0, int64(at)).UTC().Format(time.RFC3339Nano), nil
}

func (p *program) reservationDelete(r *remote) *cobra.Command {
	return &cobra.Command{
		Use: "delete NAME...", Short: "End reservations that were made here", Args: cobra.MinimumNArgs(1), Example: "  tianfu reservation delete course",
		Long: "End reservations that were made here, before or in their windows. One of the world file is taken out there: tianfu world reload.",
		RunE: func(c *cobra.Command, args []string) error {
			client, err := r.client()
			if err != nil {
				return err
			}
			return p.each(args, func(name string) error { return client.EndReservation(c.Context(), name) })
		},
	}
}

func reservationsTable(list *httpapi.Reservations) *table {
	t := &table{header: []string{"RESERVATION", "QUEUE", "NODES", "KEPT", "FROM", "TO", "WINDOWS LEFT", "LAST END", "SOURCE", "STATE"}}
	state := map[bool]string{true: "open", false: "to come"}
	for i := range list.Reservations {
		r := &list.Reservations[i]
		t.add(r.Name, r.Queue, strconv.Itoa(len(r.Nodes)), keptOf(r.Portions), httpapi.WholeSeconds(r.Windows[0].From), httpapi.WholeSeconds(r.Windows[0].To), strconv.Itoa(r.Remaining), httpapi.WholeSeconds(r.Ends), r.Source, state[r.Open])
	}
	for _, o := range list.Others {
		what := "whole"
		if o.Parts {
			what = "portions"
		}
		t.add("(others)", "", strconv.Itoa(o.Nodes), what, httpapi.WholeSeconds(o.Next.From), httpapi.WholeSeconds(o.Next.To), "", "", "", "")
	}
	if len(t.rows) == 0 {
		t.foot = "no reservations: make one with tianfu reservation create, or declare reservations: in the world file"
	}
	return t
}

// keptOf sums up what is kept.
func keptOf(list []httpapi.Portion) string {
	if list == nil {
		return "whole"
	}
	var sum fleet.Portion
	for _, p := range list {
		cpu, _ := unit.ParseMilliCPU(p.CPU) // as the server wrote it
		memory, _ := unit.ParseMiB(p.Memory)
		sum = sum.And(fleet.Portion{CPU: cpu, Memory: memory, Accelerators: p.Accelerators})
	}
	return sum.String()
}

// amountsOf renders what is kept of a node.
func amountsOf(p httpapi.Portion) string { return keptOf([]httpapi.Portion{p}) }

func reservationTable(r *httpapi.Reservation) *table {
	t := &table{header: []string{"WHAT", "VALUE"}}
	t.add("reservation", r.Name)
	t.add("queue", r.Queue)
	t.add("source", r.Source)
	if r.Portions == nil {
		t.add("nodes", strings.Join(r.Nodes, " "))
	}
	for k, p := range r.Portions {
		t.add("of node "+r.Nodes[k], amountsOf(p))
	}
	for _, w := range r.Windows {
		t.add("window", httpapi.WholeSeconds(w.From)+" to "+httpapi.WholeSeconds(w.To))
	}
	t.add("windows left", strconv.Itoa(r.Remaining))
	t.add("last end", httpapi.WholeSeconds(r.Ends))
	return t
}
