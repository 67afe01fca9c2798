package main

import (
	"bufio"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"tianfu/audit"
	"tianfu/fault"
	"tianfu/httpapi"
)

func (p *program) audit() *cobra.Command {
	r := &remote{}
	c := &cobra.Command{Use: "audit", Short: "Read, export and verify the log of who did what", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	r.register(c)
	c.AddCommand(p.auditList(r), p.auditExport(r), p.auditVerify())
	return c
}

func (p *program) auditList(r *remote) *cobra.Command {
	var last int
	c := &cobra.Command{
		Use: "list", Short: "Show the latest records", Args: cobra.NoArgs, Example: "  tianfu audit list --last 20",
		RunE: func(c *cobra.Command, _ []string) error {
			if last < 1 || last > 1000 {
				return fault.New(fault.Invalid, "--last", fmt.Sprintf("%d is not between 1 and 1000", last), "use tianfu audit export for all")
			}
			client, err := r.client()
			if err != nil {
				return err
			}
			page, err := client.Audit(c.Context(), 1<<62, 1) // past the end: says only how many there are
			if err != nil {
				return err
			}
			if page, err = client.Audit(c.Context(), page.Last-min(page.Last, uint64(last)), last); err != nil {
				return err
			}
			t := &table{header: []string{"SEQ", "AT", "WHO", "ROLE", "TENANT", "ACTION", "TARGET", "OUTCOME", "STATUS", "REQUEST"}}
			for i := range page.Records {
				x := &page.Records[i]
				t.add(fmt.Sprint(x.Sequence), x.At, strings.TrimSpace(x.Who+" "+x.Name), x.Role, x.Tenant, x.Action, x.Target, x.Outcome, fmt.Sprint(x.Status), x.Request)
			}
			return p.print(page, t)
		},
	}
	c.Flags().IntVar(&last, "last", 50, "how many")
	return c
}

func (p *program) auditExport(r *remote) *cobra.Command {
	var after uint64
	c := &cobra.Command{
		Use: "export", Short: "Write all records to stdout, as JSON or CSV (-o csv)", Args: cobra.NoArgs,
		Example: "  tianfu audit export -o json > audit.json && tianfu audit verify audit.json",
		RunE: func(c *cobra.Command, _ []string) error {
			client, err := r.client()
			if err != nil {
				return err
			}
			// A document that has no end is better not begun: nothing is flushed then.
			if p.format != "csv" {
				out := bufio.NewWriter(p.out)
				if err := exportJSON(c.Context(), client, after, out); err != nil {
					return err
				}
				return out.Flush()
			}
			w := csv.NewWriter(p.out)
			w.Write(audit.CSVHeader())
			if err := eachAudit(c.Context(), client, after, func(x *audit.Record) error { return w.Write(x.CSV()) }); err != nil {
				return err
			}
			w.Flush()
			return w.Error()
		},
	}
	c.Flags().Uint64Var(&after, "after", 0, "begin after this sequence number")
	return only(c, "json", "csv")
}

// exportJSON writes one document with a record a line, so that a broken record
// has a line number.
func exportJSON(ctx context.Context, client *httpapi.Client, after uint64, out io.Writer) error {
	fmt.Fprint(out, "{\"records\":[")
	separator := "\n"
	err := eachAudit(ctx, client, after, func(x *audit.Record) error {
		line, err := json.Marshal(x)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(out, "%s%s", separator, line)
		separator = ",\n"
		return err
	})
	if err == nil {
		_, err = fmt.Fprint(out, "\n]}\n")
	}
	return err
}

// eachAudit pages through the records there are now.
func eachAudit(ctx context.Context, client *httpapi.Client, after uint64, f func(*audit.Record) error) error {
	until := uint64(0)
	for {
		page, err := client.Audit(ctx, after, 1000)
		if err != nil {
			return err
		}
		if until == 0 {
			until = page.Last
		}
		for i := range page.Records {
			x := &page.Records[i]
			if x.Sequence > until {
				return nil
			}
			if err := f(x); err != nil {
				return err
			}
			after = x.Sequence
		}
		if len(page.Records) == 0 || after >= until {
			return nil
		}
	}
}

func (p *program) auditVerify() *cobra.Command {
	var head string
	c := &cobra.Command{
		Use: "verify FILE...", Short: "Recompute the chain of an export, or of files of the log, without a server", Args: cobra.MinimumNArgs(1),
		Long: `Recompute the chain of hashes. FILE is an export (JSON or CSV), a file of the log, or a directory of them.
The first line that was changed, dropped or put in is named, and the exit code is 2. A tail that was cut off
shows only against a hash noted earlier: --head.`,
		Example: "  tianfu audit verify audit.json\n  tianfu audit verify /var/lib/tianfu/audit --head 5d41...",
		RunE: func(_ *cobra.Command, args []string) error {
			var chain audit.Chain
			for _, name := range args {
				if err := verifyPath(&chain, name); err != nil {
					return err
				}
			}
			if head != "" && chain.Head != head {
				return fault.New(fault.Invalid, "--head", "the last record has the hash "+chain.Head, "records at the end are missing, or came later: export again up to that time")
			}
			t := &table{header: []string{"RECORDS", "FIRST", "LAST", "HEAD"}}
			t.add(fmt.Sprint(chain.Records), fmt.Sprint(chain.First), fmt.Sprint(chain.Last), chain.Head)
			return p.print(chain.Finding, t)
		},
	}
	c.Flags().StringVar(&head, "head", "", "hash that the last record must have")
	return c
}

func verifyPath(chain *audit.Chain, name string) error {
	names := []string{name}
	if st, err := os.Stat(name); err == nil && st.IsDir() {
		names, _ = filepath.Glob(filepath.Join(name, "*.jsonl"))
		slices.Sort(names)
	}
	for _, name := range names {
		f, err := os.Open(name)
		if err != nil {
			return &fault.Error{Kind: fault.NotFound, Where: name, What: "open", Err: err}
		}
		err = chain.Verify(name, f)
		f.Close()
		if err != nil {
			return err
		}
	}
	return nil
}
