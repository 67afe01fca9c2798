package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"tianfu/httpapi"
)

func (p *program) node() *cobra.Command {
	r := &remote{}
	c := &cobra.Command{Use: "node", Short: "Show, cordon and drain nodes of a running centre", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	r.register(c)
	c.AddCommand(p.nodeList(r), p.nodeShow(r),
		p.nodeSet(r, "cordon", "Accept no new work on nodes", true, false),
		p.nodeSet(r, "drain", "Accept no new work and move present work away", true, true),
		p.nodeSet(r, "uncordon", "Accept work again", false, false))
	for _, sub := range c.Commands() {
		if sub.Name() != "list" {
			sub.ValidArgsFunction = r.completeNodes
		}
	}
	return c
}

func nodesTable(nodes []httpapi.Node) *table {
	t := &table{header: []string{"NODE", "SITE", "STATE", "CPU", "FREE", "MEMORY", "FREE MEMORY", "MODEL", "ACCELERATORS", "FREE WHOLE", "TASKS", "JOBS"}}
	for i := range nodes {
		n := &nodes[i]
		state := n.Health
		switch {
		case n.Drain:
			state += ", draining"
		case n.Cordoned:
			state += ", cordoned"
		}
		if n.ShortOfDisk {
			state += ", short of disk"
		}
		t.add(n.Name, n.Site, state, n.CPU, n.CPUFree, n.Memory, n.MemoryFree, n.Model, strconv.Itoa(n.Accelerators), strconv.Itoa(n.Free), tasksOn(n), strings.Join(n.Tasks, " "))
	}
	return t
}

// tasksOn says how many tasks run, and how many may.
func tasksOn(n *httpapi.Node) string {
	if n.MostTasks == 0 {
		return strconv.Itoa(n.Running)
	}
	return strconv.Itoa(n.Running) + " of " + strconv.Itoa(n.MostTasks)
}

func (p *program) nodeList(r *remote) *cobra.Command {
	w := &repeat{}
	c := &cobra.Command{
		Use: "list", Short: "List nodes", Args: cobra.NoArgs, Example: "  tianfu node list --watch",
		RunE: func(c *cobra.Command, _ []string) error {
			client, err := r.client()
			if err != nil {
				return err
			}
			return p.show(c.Context(), w, func(p *program) error {
				nodes, err := client.Nodes(c.Context())
				if err != nil {
					return err
				}
				return p.print(nodes, nodesTable(nodes))
			})
		},
	}
	w.register(c)
	return c
}

func (p *program) nodeShow(r *remote) *cobra.Command {
	return &cobra.Command{
		Use: "show NODE", Short: "Show a node and what runs on it", Args: cobra.ExactArgs(1), Example: "  tianfu node show n3",
		RunE: p.asking(r, func(c *cobra.Command, client *httpapi.Client, args []string) error {
			n, err := client.Node(c.Context(), args[0])
			if err != nil {
				return err
			}
			t := nodesTable([]httpapi.Node{*n})
			t.foot = reservedFoot(n.Reserved)
			return p.print(n, t)
		}),
	}
}

// reservedFoot says what reservations keep of a node.
func reservedFoot(list []httpapi.NodeReservation) string {
	var lines []string
	for _, r := range list {
		who := "another queue"
		if r.Reservation != "" {
			who = "queue " + r.Queue + " by " + r.Reservation
		}
		lines = append(lines, fmt.Sprintf("%s is reserved for %s from %s to %s", amountsOf(r.Portion), who, httpapi.WholeSeconds(r.From), httpapi.WholeSeconds(r.To)))
	}
	return strings.Join(lines, "\n")
}

func (p *program) nodeSet(r *remote, use, short string, cordon, drain bool) *cobra.Command {
	return &cobra.Command{
		Use: use + " NODE...", Short: short, Args: cobra.MinimumNArgs(1), Example: "  tianfu node " + use + " n3 n4",
		RunE: p.asking(r, func(c *cobra.Command, client *httpapi.Client, args []string) error {
			var set []httpapi.Node
			failed := p.each(args, func(name string) error {
				if err := client.SetNode(c.Context(), name, cordon, drain); err != nil {
					return err
				}
				n, err := client.Node(c.Context(), name)
				if err == nil {
					set = append(set, *n)
				}
				return err
			})
			if len(set) == 0 {
				return failed
			}
			return errors.Join(p.print(set, nodesTable(set)), failed)
		}),
	}
}
