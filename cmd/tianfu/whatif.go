package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tianfu/energy"
	"tianfu/fault"
	"tianfu/httpapi"
	"tianfu/job"
	"tianfu/live"
	"tianfu/sim"
)

// whatIfFlags are the flags of whatif.
type whatIfFlags struct {
	replayFlags
	remote
	against string
	dir     string
}

func (p *program) whatif() *cobra.Command {
	f := &whatIfFlags{}
	c := &cobra.Command{
		Use:   "whatif CHANGE --against last-week|FILE",
		Short: "Run a past period again under a change, and say what would have differed",
		Long: `Run a period twice through the core that schedules live - as it was, and changed - in virtual time, and
print what would have differed. The period is a span of a running centre's records (last-hour, last-day,
last-week, last-month, 36h); all that a backup of a centre holds, or the end of it (FILE:last-week); or a workload in
a file, replayed on --world or --nodes. The result is kept: in the centre, under /v1/whatif/ID; of a file, in --dir.

A change is one clause or several, divided by semicolons:
  ` + strings.Join(sim.ChangeForms(), "\n  ") + `

A file of weather (EPW or CSV) gives every hour another PUE and water, by the plant of the site: the one that a
running centre declares, else --plant. A series of another year stands for the same days. carbon price 80 adds the
carbon of every hour to its price, at 80 yuan a tonne.`,
		Example: `  tianfu whatif "add 4 nodes like n12" --against last-week
  tianfu whatif "arrivals x1.2; policy fgd" --against tasks.csv --nodes nodes.csv --load 0.9 --warm
  tianfu whatif show w-0123456789ab`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return p.runWhatIf(c, f, args[0]) },
	}
	f.replayFlags.register(c)
	f.remote.register(c)
	for _, hidden := range append(slices.Clone(replayAlone), "processors") {
		c.Flags().MarkHidden(hidden)
	}
	c.Flags().StringVar(&f.against, "against", "", "a period of the running centre, a backup of one, or a file of tasks or jobs")
	c.PersistentFlags().StringVar(&f.dir, "dir", "", "directory of results of files' periods (default: whatif in the user's cache directory)")
	c.AddCommand(p.whatIfList(f), p.whatIfShow(f))
	return c
}

func (p *program) runWhatIf(c *cobra.Command, f *whatIfFlags, change string) error {
	if f.against == "" {
		return fault.New(fault.Invalid, "--against", "is missing", "name a period of the centre such as last-week, a backup, or a file of tasks")
	}
	ctx := c.Context()
	files, err := changeFiles(change)
	if err != nil {
		return err
	}
	if _, err := live.Period(f.against); err == nil {
		if err := ofCentre.check(c); err != nil {
			return err
		}
		client, err := f.client()
		if err != nil {
			return err
		}
		w, err := client.WhatIf(ctx, question(change, f.against, files))
		if err != nil {
			return err
		}
		return p.printWhatIf(w, "permalink "+strings.TrimSuffix(f.server, "/")+"/v1/whatif/"+w.ID)
	}
	backup, span, isBackup := backupPeriod(f.against)
	if info, err := os.Stat(f.against); err == nil && info.IsDir() {
		return fault.New(fault.Invalid, "--against", strconv.Quote(f.against)+" is a directory", "of a running centre name a period such as last-week; of a data directory take a backup first: tianfu backup --data DIR --to FILE")
	} else if err != nil && !isBackup {
		return fault.New(fault.Invalid, "--against", strconv.Quote(f.against)+" is neither a period nor a file", "write last-hour, last-day, last-week, last-month, a span such as 36h, or the name of a file")
	}
	kind := &ofFile
	if isBackup {
		kind = &ofBackup
	}
	if err := kind.check(c); err != nil {
		return err
	}
	if err := f.checkNeeds(c); err != nil {
		return err
	}
	store, err := f.store()
	if err != nil {
		return err
	}
	var w *sim.WhatIf
	if isBackup {
		var plant *energy.Plant
		if plant, err = readPlant(f.site.plant, f.site.chiller); err != nil {
			return err
		}
		aids := &sim.Aids{Files: files, Sites: map[string]sim.SitePlant{"": {Plant: plant}}}
		w, err = compareBackup(ctx, backup, live.Question{Change: change, Against: f.against, Span: span, Aids: aids})
	} else {
		f.tasks = f.against
		w, err = p.compareFile(ctx, f, change, files)
	}
	if err != nil {
		return err
	}
	if err := store.save(w); err != nil {
		return err
	}
	return p.printWhatIf(w, "kept as "+w.ID+": tianfu whatif show "+w.ID)
}

// question is what a centre is asked.
func question(change, against string, files map[string][]byte) *httpapi.WhatIfBody {
	out := &httpapi.WhatIfBody{Change: change, Against: against}
	for name, text := range files {
		if out.Files == nil {
			out.Files = map[string]string{}
		}
		out.Files[name] = string(text)
	}
	return out
}

// compareFile runs the period of a file.
func (p *program) compareFile(ctx context.Context, f *whatIfFlags, change string, files map[string][]byte) (*sim.WhatIf, error) {
	if strings.Contains(f.shift.policies, ",") || strings.Contains(f.policies, ",") {
		return nil, fault.New(fault.Invalid, "--policy, --shift", "name several policies", "name one: the change says which other one is tried")
	}
	shifts, err := f.shift.list(&f.site)
	if err != nil {
		return nil, err
	}
	if f.shifting, err = f.shift.shifting(shifts[len(shifts)-1], &f.site); err != nil {
		return nil, err
	}
	base, _, err := f.timedWorkload()
	if err != nil {
		return nil, err
	}
	base.Policy = f.policies
	if f.world != "" { // its queues hold, so that a quota can be changed
		w, _, err := parseWorldFile(f.world)
		if err != nil {
			return nil, err
		}
		base.Queueing = job.QueueingOf(w)
	}
	if f.load > 0 { // so many days were asked for
		base.PeriodEnd = base.Begin().Add(time.Duration(f.days * 24 * float64(time.Hour)))
	}
	sources, err := f.site.sources()
	if err != nil {
		return nil, err
	}
	plant, err := readPlant(f.site.plant, f.site.chiller)
	if err != nil {
		return nil, err
	}
	at := sim.SitePlant{Plant: plant, Tariff: sources.Tariff}
	if sources.Price != nil { // it goes before the tariff
		at.Tariff = nil
	}
	aids := &sim.Aids{Files: files, Sites: map[string]sim.SitePlant{"": at}}
	type result struct {
		w   *sim.WhatIf
		err error
	}
	done := make(chan result, 1)
	go func() {
		w, err := sim.CompareChange(*base, change, f.against, aids)
		done <- result{w, err}
	}()
	select {
	case r := <-done:
		return r.w, r.err
	case <-ctx.Done():
		return nil, fault.New(fault.Unavailable, "whatif", "interrupted", "")
	}
}

// changeFiles reads the files that a change names: only this room reads files.
func changeFiles(change string) (map[string][]byte, error) {
	changes, err := sim.ParseChanges(change)
	if err != nil {
		return nil, err
	}
	out := map[string][]byte{}
	for _, word := range sim.FilesOf(changes) {
		name, _ := sim.FileName(word)
		if out[word], err = readBounded(name, energy.MaxWeatherBytes); err != nil {
			return nil, fault.Wrap(err, "change "+strconv.Quote(change), "read a file that it names")
		}
	}
	return out, nil
}

func (f *whatIfFlags) store() (whatIfStore, error) {
	if f.dir != "" {
		return whatIfStore{f.dir}, nil
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return whatIfStore{}, fault.New(fault.Invalid, "--dir", "is missing, and there is no cache directory of yours", "name a directory")
	}
	return whatIfStore{cache + "/tianfu/whatif"}, nil
}

// printWhatIf prints the difference and where it is kept.
func (p *program) printWhatIf(w *sim.WhatIf, where string) error {
	t := &table{header: []string{"FIGURE", "UNIT", "AS IT WAS", "CHANGED", "DIFFERENCE"}}
	for i := range w.Figures {
		d := &w.Figures[i]
		t.add(d.Name, d.Unit, strconv.FormatFloat(d.Base, 'f', -1, 64), strconv.FormatFloat(d.Changed, 'f', -1, 64), difference(d))
	}
	var foot []string
	foot = append(foot, fmt.Sprintf("%s: %q against %s, %d jobs in %g h, policy %s", w.ID, w.Change, w.Against, w.Jobs, w.Hours, w.Policy))
	foot = append(foot, w.Notes...)
	if where != "" {
		foot = append(foot, where)
	}
	t.foot = strings.Join(foot, "\n")
	return p.print(w, t)
}

func difference(d *sim.Difference) string {
	by := strconv.FormatFloat(sim.Tell(d.Changed-d.Base), 'f', -1, 64)
	if d.Changed >= d.Base {
		by = "+" + by
	}
	if d.Change != nil {
		by += fmt.Sprintf(" (%+.1f%%)", *d.Change)
	}
	return by
}

// asked tells whether the running centre is meant: its address was given.
func (f *whatIfFlags) live(c *cobra.Command) bool {
	return c.Flags().Changed("server") || c.Flags().Changed("context") || c.Flags().Changed("token-file")
}

func (p *program) whatIfList(f *whatIfFlags) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List what-ifs, newest first: those of files, or with --server those of the centre", Args: cobra.NoArgs,
		Example: "  tianfu whatif list\n  tianfu whatif list --server http://127.0.0.1:8420",
		RunE: func(c *cobra.Command, _ []string) error {
			list, err := f.listed(c)
			if err != nil {
				return err
			}
			t := &table{header: []string{"ID", "CHANGE", "AGAINST", "JOBS", "HOURS", "POLICY"}}
			for i := range list {
				w := &list[i]
				t.add(w.ID, w.Change, w.Against, strconv.Itoa(w.Jobs), fmt.Sprint(w.Hours), w.Policy)
			}
			if len(list) == 0 {
				t.foot = "no what-ifs here; ask one: " + exampleOf(c.Parent())
			}
			return p.print(httpapi.WhatIfPage{WhatIfs: list}, t)
		},
	}
}

func (f *whatIfFlags) listed(c *cobra.Command) ([]sim.WhatIf, error) {
	if f.live(c) {
		client, err := f.client()
		if err != nil {
			return nil, err
		}
		return client.StoredWhatIfs(c.Context())
	}
	store, err := f.store()
	if err != nil {
		return nil, err
	}
	return store.list()
}

func (p *program) whatIfShow(f *whatIfFlags) *cobra.Command {
	return &cobra.Command{
		Use: "show ID", Short: "Show a what-if: of a file, or with --server of the centre", Args: cobra.ExactArgs(1),
		Example: "  tianfu whatif show w-0123456789ab",
		RunE: func(c *cobra.Command, args []string) error {
			if f.live(c) {
				client, err := f.client()
				if err != nil {
					return err
				}
				w, err := client.StoredWhatIf(c.Context(), args[0])
				if err != nil {
					return err
				}
				return p.printWhatIf(w, "")
			}
			store, err := f.store()
			if err != nil {
				return err
			}
			w, err := store.load(args[0])
			if err != nil {
				return err
			}
			return p.printWhatIf(w, "")
		},
	}
}
