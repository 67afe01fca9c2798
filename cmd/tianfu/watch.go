package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"tianfu/fault"
	"tianfu/httpapi"
)

// repeat are the flags of a list that may be shown again and again.
type repeat struct {
	watch bool
	every time.Duration
}

func (w *repeat) register(c *cobra.Command) {
	c.Flags().BoolVarP(&w.watch, "watch", "w", false, "show it again whenever it changes")
	c.Flags().DurationVar(&w.every, "every", 2*time.Second, "how often --watch looks")
}

func (w *repeat) check() error {
	if w.every < 100*time.Millisecond || w.every > time.Hour {
		return fault.New(fault.Invalid, "--every", w.every.String()+" is not between 100ms and 1h", "write it like 2s")
	}
	return nil
}

// terminal tells whether a writer is one.
func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	st, err := f.Stat()
	return err == nil && st.Mode()&os.ModeCharDevice != 0
}

// show prints what f prints, once or until the context ends. On a terminal a
// new picture takes the place of the last one; elsewhere it follows, and only
// when it differs. A centre that cannot be reached for a moment is waited for.
func (p *program) show(ctx context.Context, w *repeat, f func(*program) error) error {
	if !w.watch {
		return f(p)
	}
	if err := w.check(); err != nil {
		return err
	}
	last, onScreen := "", terminal(p.out)
	for {
		var b bytes.Buffer
		page := *p
		page.out = &b
		switch err := f(&page); {
		case ctx.Err() != nil:
			return nil
		case fault.KindOf(err) == fault.Unavailable && err != nil && last != "":
			fmt.Fprintln(p.err, "tianfu:", err)
		case err != nil:
			return err
		case b.String() != last:
			last = b.String()
			if onScreen {
				fmt.Fprint(p.out, "\x1b[H\x1b[2J")
			}
			if _, err := io.WriteString(p.out, last); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(w.every):
		}
	}
}

// completing bounds how long a shell waits for words.
const completing = 2 * time.Second

// completeJobs offers the latest jobs, in a phase if one is named.
func (r *remote) completeJobs(phase string) cobra.CompletionFunc {
	return func(c *cobra.Command, _ []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		ctx, cancel := context.WithTimeout(context.Background(), completing)
		defer cancel()
		client, err := r.client()
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		page, err := client.Jobs(ctx, httpapi.ListQuery{Phase: phase, Limit: 100})
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var out []cobra.Completion
		for i := range page.Jobs {
			out = append(out, cobra.CompletionWithDesc(page.Jobs[i].ID, page.Jobs[i].Name+", "+page.Jobs[i].Phase))
		}
		return out, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
	}
}

// completeNodes offers the nodes.
func (r *remote) completeNodes(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
	ctx, cancel := context.WithTimeout(context.Background(), completing)
	defer cancel()
	client, err := r.client()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	nodes, err := client.Nodes(ctx)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var out []cobra.Completion
	for i := range nodes {
		out = append(out, nodes[i].Name)
	}
	return out, cobra.ShellCompDirectiveNoFileComp
}
