package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"tianfu/audit"
	"tianfu/control"
	"tianfu/engine"
	"tianfu/engine/local"
	"tianfu/fault"
	"tianfu/fleet"
	"tianfu/httpapi"
	"tianfu/job"
	"tianfu/live"
	"tianfu/sched"
	"tianfu/unit"
)

// readyWorld is a world file as a live centre takes it over.
type readyWorld struct {
	config   control.Config
	own      fleet.NodeID // the node that this machine is
	warnings []fleet.Warning
	digest   string // SHA-256 of the file
	declared *fleet.World
	money    httpapi.LedgerOptions
	wiring   wiring // once it is open
}

// firstWorld writes a world file of this machine where there is none yet.
func (p *program) firstWorld(ctx context.Context, f *serveFlags, eng engine.Engine) error {
	name := f.worldFile()
	if _, err := os.Stat(name); f.world != "" || !errors.Is(err, os.ErrNotExist) {
		return nil
	}
	text, err := thisMachine(ctx, eng, cmp.Or(f.node, machineName()))
	if err != nil {
		return err
	}
	if err := writeFile(name, func(w writer) error { _, err := bytes.NewReader(text).WriteTo(w); return err }); err != nil {
		return err
	}
	fmt.Fprintf(p.err, "wrote %s, which describes this machine\n", name)
	return nil
}

// readWorldAloud reads the world file and prints its warnings.
func (p *program) readWorldAloud(f *serveFlags) (*readyWorld, error) {
	world, err := f.readWorld()
	if err != nil {
		return nil, err
	}
	for _, x := range world.warnings {
		fmt.Fprintln(p.err, "warning:", x)
	}
	return world, nil
}

// readWorld reads the world file and makes a configuration of it. It is the one
// way from the file to the centre: at the start and at every reload.
func (f *serveFlags) readWorld() (*readyWorld, error) {
	text, err := readBounded(f.worldFile(), fleet.MaxWorldBytes)
	if err != nil {
		return nil, err
	}
	w, warnings, err := fleet.ParseWorld(f.worldFile(), text)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(text)
	out := &readyWorld{warnings: warnings, declared: w, digest: hex.EncodeToString(sum[:]),
		config: control.Config{Fleet: w.Fleet(), Policy: f.policy, Rules: sched.Rules{Preempt: true}, Queueing: job.QueueingOf(w)}}
	out.warnings = append(out.warnings, sleepless(f.worldFile(), w)...)
	out.config.Deferring.Allowance = [...]time.Duration{job.Batch: w.Deferral.Batch, job.Interactive: w.Deferral.Interactive, job.LongRun: w.Deferral.Longrun}
	if m, err := cataloguePower(out.config.Fleet); err == nil {
		out.config.Power = m
	}
	if tree := sched.PowerOf(w); tree != nil && out.config.Power != nil {
		tree.Sleep = sched.PowerSleep{}
		out.config.Tree = tree
	} else if tree != nil {
		out.warnings = append(out.warnings, fleet.Warning{Where: f.worldFile(), What: "power is declared and not limited: not every accelerator's draw is known", Fix: "give idle: and full: under catalogue:"})
	}
	budgets, err := sched.BudgetsOf(w, time.LoadLocation)
	switch {
	case err != nil:
		return nil, err
	case out.config.Power != nil:
		out.config.DayBudgets = budgets
	case len(budgets) > 0:
		out.warnings = append(out.warnings, fleet.Warning{Where: f.worldFile(), What: "a budget is declared and not held: not every accelerator's draw is known", Fix: "give idle: and full: under catalogue:"})
	}
	if f.meterEvery > 0 {
		out.config.Metering = control.Metering{Every: f.meterEvery, Lag: min(meterLag, f.meterEvery/2)}
		if out.config.Metering.Zones, err = calendarsOf(w); err != nil {
			return nil, err
		}
	}
	out.money.Rates = ratesOf(w)
	if out.money.Zones, err = siteZones(w); err != nil {
		return nil, err
	}
	if out.config.Bookings, err = w.Bookings(time.LoadLocation, unit.Instant(time.Now().UnixNano())); err != nil {
		return nil, err
	}
	out.own = fleet.NodeID(cmp.Or(f.node, machineName()))
	return out, ownNode(f.worldFile(), out.config.Fleet, out.own)
}

// sleepless warns of a declaration that a running centre passes over: the one node
// that it runs work on is the machine that it runs on itself, and a node that only
// the model puts to sleep would have its watts promised to others.
func sleepless(file string, w *fleet.World) []fleet.Warning {
	if w.Power.Sleep.After == 0 {
		return nil
	}
	return []fleet.Warning{{Where: file, What: "power: sleep: is for replays; in a running centre no node sleeps, for its only node is the machine that the server runs on", Fix: "leave it, or take it out"}}
}

// machineName is what the node is called that this machine is, unless --node says
// otherwise: its host name, in letters that names of nodes may have.
func machineName() string {
	host, err := os.Hostname()
	if err != nil || host == "" {
		host = "localhost"
	}
	return strings.NewReplacer("{", "-", "}", "-", "/", "-").Replace(host)
}

// ownNode cordons the nodes that no engine serves: all but this machine. A world
// without it is refused: work placed on a node that is another machine would run
// here, and be counted there.
func ownNode(file string, f *fleet.Fleet, own fleet.NodeID) error {
	found := false
	for i := range f.Nodes {
		found = found || f.Nodes[i].ID == own
		f.Nodes[i].Cordoned = f.Nodes[i].Cordoned || f.Nodes[i].ID != own
	}
	if found {
		return nil
	}
	return fault.New(fault.Invalid, file, fmt.Sprintf("this machine is node %s, which is not among the %s of the file", own, unit.Count(len(f.Nodes), "node")),
		fmt.Sprintf("name it under nodes:, such as - {name: %q, sku: …, place: …}, or say which node it is: --node %s", own, f.Nodes[0].ID))
}

// worldKeeper reads the world file again when it is asked to.
type worldKeeper struct {
	flags    *serveFlags
	centre   *live.Centre
	trail    *audit.Log
	logger   *slog.Logger
	provider *httpapi.Provider // nil = none
	engine   *local.Engine

	mu      sync.Mutex // one reload at a time
	now     *readyWorld
	refused error // why the file was not taken over at the start; nil = it was, or has been since
}

// refuse notes that the file was not taken over at the start, in the audit log
// and for whoever asks, and returns the warning for who started the centre. The
// file that holds is then not the one there is, so its digest is not known.
func (k *worldKeeper) refuse(err error) string {
	k.mu.Lock()
	defer k.mu.Unlock()
	note := audit.Record{Action: "take over the world at the start", Target: fmt.Sprintf("refused %.12s: %v", k.now.digest, err), Outcome: audit.Failed}
	if failed := k.trail.Append(note); failed != nil {
		k.logger.Error("the audit log does not have the refused world", "error", failed)
	}
	k.refused, k.now.digest = err, ""
	if failed := os.WriteFile(refusedWorld(k.flags.data), []byte(err.Error()+"\n"), 0o600); failed != nil {
		k.logger.Error("doctor will not know of the refused world", "error", failed)
	}
	return fmt.Sprintf("warning: %s was not taken over, and the centre goes on with the world it had: %v\n  mend the file, then: tianfu world reload", k.flags.worldFile(), err)
}

// refusedWorld is the file that says why the world was not taken over at the
// start, for doctor, which asks no server. It is there while that holds.
func refusedWorld(data string) string { return filepath.Join(data, "world.refused") }

// money says how the ledger's charges are priced and dated.
func (k *worldKeeper) money() httpapi.LedgerOptions {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.now.money
}

func (k *worldKeeper) world() httpapi.World {
	k.mu.Lock()
	defer k.mu.Unlock()
	out := httpapi.World{File: k.flags.worldFile(), Digest: k.now.digest}
	if k.refused != nil {
		out.Refused = k.refused.Error()
	}
	for i := range k.now.declared.Datasets {
		out.Datasets = append(out.Datasets, k.now.declared.Datasets[i].Name)
	}
	return out
}

// datasets lists what jobs may mount by name.
func (k *worldKeeper) datasets() []fleet.Dataset {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.now.declared.Datasets
}

// reload reads the file and takes it over, whole or not at all. The audit log
// has what held before and after.
func (k *worldKeeper) reload(ctx context.Context, dry bool) (httpapi.WorldChange, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	out := httpapi.WorldChange{DryRun: dry, Before: k.now.digest, Changes: []string{}}
	next, err := k.flags.readWorld()
	if err == nil {
		out.After = next.digest
		for _, w := range next.warnings {
			out.Warnings = append(out.Warnings, w.String())
		}
		next.wiring, err = k.flags.wire(next, k.now, k.logger)
	}
	if err == nil {
		var change *live.Change
		if change, err = k.centre.Configure(ctx, next.config, dry); err == nil {
			out.Changes = append(out.Changes, k.now.wiring.changes(&next.wiring)...)
			out.Changes = append(out.Changes, change.Lines...)
			if !reflect.DeepEqual(bare(k.now.declared.Datasets), bare(next.declared.Datasets)) {
				out.Changes = append(out.Changes, "data sets are changed")
			}
			if !reflect.DeepEqual(k.now.money.Rates, next.money.Rates) {
				out.Changes = append(out.Changes, "rates are changed")
			}
			if !slices.Equal(k.now.limitBy(), next.limitBy()) {
				out.Changes = append(out.Changes, "hardware that caps may limit is changed, from the next change of a cap on")
			}
			for _, id := range change.Stranded {
				out.Stranded = append(out.Stranded, id.String())
			}
		}
	}
	out.Changed = len(out.Changes) > 0
	if dry || err != nil {
		if next != nil {
			next.wiring.drop(&k.now.wiring)
		}
	} else {
		if err = k.rewire(ctx, &next.wiring); err == nil {
			if failed := k.engine.LimitBy(next.limitBy()); failed != nil {
				out.Warnings = append(out.Warnings, "power.limit_by: "+failed.Error())
			}
		}
	}
	if dry {
		return out, err
	}
	note := audit.Record{Action: "reload the world", Target: fmt.Sprintf("before %.12s after %.12s: %s", out.Before, out.After, strings.Join(out.Changes, "; ")), Outcome: audit.Allowed}
	if err != nil {
		note.Target, note.Outcome = fmt.Sprintf("before %.12s refused %.12s: %v", out.Before, out.After, err), audit.Failed
	} else {
		k.now, k.refused = next, nil
		os.Remove(refusedWorld(k.flags.data)) // mostly there is none
	}
	if failed := k.trail.Append(note); failed != nil && err == nil {
		err = failed
	}
	return out, err
}

// bare are data sets without the lines they stand on.
func bare(list []fleet.Dataset) [][]any {
	var out [][]any
	for i := range list {
		out = append(out, []any{list[i].Name, list[i].Path, list[i].Tenants, list[i].Writable})
	}
	return out
}

// follow reloads at every SIGHUP.
func (k *worldKeeper) follow(ctx context.Context) {
	hups := make(chan os.Signal, 1)
	signal.Notify(hups, syscall.SIGHUP)
	defer signal.Stop(hups)
	for {
		select {
		case <-ctx.Done():
			return
		case <-hups:
		}
		out, err := k.reload(ctx, false)
		switch {
		case err != nil:
			k.logger.Error("the world file was not taken over; nothing changed", "error", err)
		case !out.Changed:
			k.logger.Info("the world file says nothing new")
		default:
			k.logger.Info("the world file was taken over", "changes", out.Changes, "stranded", out.Stranded)
		}
	}
}

func (p *program) world() *cobra.Command {
	r := &remote{}
	c := &cobra.Command{Use: "world", Short: "Show and reload the world of a running centre", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	r.register(c)
	c.AddCommand(p.worldShow(r), p.worldReload(r))
	return c
}

func (p *program) worldShow(r *remote) *cobra.Command {
	return &cobra.Command{
		Use: "show", Short: "Show what the centre is configured with", Args: cobra.NoArgs, Example: "  tianfu world show",
		RunE: p.asking(r, func(c *cobra.Command, client *httpapi.Client, _ []string) error {
			w, err := client.World(c.Context())
			if err != nil {
				return err
			}
			t := &table{header: []string{"WORLD", "NODES", "ACCELERATORS", "QUEUES", "DATASETS", "FILE", "SHA-256"}}
			t.add(w.Name, fmt.Sprint(w.Nodes), fmt.Sprint(w.Accelerators), strings.Join(w.Queues, " "), strings.Join(w.Datasets, " "), w.File, w.Digest[:min(12, len(w.Digest))])
			if w.Refused != "" {
				t.foot = "the file as it stands was not taken over at the start: " + w.Refused
			}
			return p.print(w, t)
		}),
	}
}

func (p *program) worldReload(r *remote) *cobra.Command {
	var dry string
	c := &cobra.Command{
		Use: "reload", Short: "Make the centre read its world file again, while it runs", Args: cobra.NoArgs,
		Long: `Make the centre read its world file again and take it over, whole or not at all: nodes, queues, tenants,
limits, tariffs, data sets, meters, signals of sites, and the rules for people of the identity provider. Running work stays where it is; a node that runs work can neither be removed nor lose
what the work holds, and a queue stays while jobs of it are open. What operators said of a node (cordon, drain,
health) stays unless the file declares another state. SIGHUP to the server does the same, and so does a start.`,
		Example: "  tianfu check /var/lib/tianfu/world.yaml\n  tianfu world reload --dry-run=server\n  tianfu world reload",
		RunE: func(c *cobra.Command, _ []string) error {
			if dry != "" && dry != "server" {
				return &usageError{errors.New("write --dry-run=server")}
			}
			client, err := r.client()
			if err != nil {
				return err
			}
			w, err := client.ReloadWorld(c.Context(), dry == "server")
			if err != nil {
				return err
			}
			for _, x := range w.Warnings {
				fmt.Fprintln(p.err, "warning:", x)
			}
			if len(w.Stranded) > 0 {
				fmt.Fprintln(p.err, "warning: no node could run these any more, they wait:", strings.Join(w.Stranded, " "))
			}
			t := &table{header: []string{"CHANGE"}}
			for _, line := range w.Changes {
				t.add(line)
			}
			if !w.Changed {
				t.foot = "the file says nothing new"
			}
			return p.print(w, t)
		},
	}
	c.Flags().StringVar(&dry, "dry-run", "", "server: only say what would change")
	return c
}
