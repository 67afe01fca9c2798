package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"tianfu/fault"
	"tianfu/fleet"
	"tianfu/sensor"
	"tianfu/unit"
)

func (p *program) meter() *cobra.Command {
	c := &cobra.Command{
		Use:   "meter",
		Short: "Read the meters of nodes, racks and sites",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	var world string
	c.PersistentFlags().StringVar(&world, "world", "", "world file with meters (default: what this machine itself has)")
	c.AddCommand(p.meterList(&world), p.meterRead(&world), p.meterWatch(&world), p.meterStatus())
	return c
}

// meterWorld returns the declared meters, or those that this machine has.
func meterWorld(world string) (*fleet.World, error) {
	if world != "" {
		w, _, err := parseWorldFile(world)
		return w, err
	}
	host, err := os.Hostname()
	if err != nil || host == "" {
		host = "localhost"
	}
	text := fmt.Sprintf("name: here\nsites: [{name: here, time_zone: UTC}]\ncatalogue: {skus: [{name: m, vcpu: 1, memory: 1GiB}]}\nnodes: [{name: %q, sku: m, place: here}]\nmeters:\n", host)
	for _, kind := range ownMachine {
		text += fmt.Sprintf("  - {name: %s, kind: %s, covers: %q}\n", kind, kind, host)
	}
	w, _, err := fleet.ParseWorld("this machine", []byte(text))
	return w, err
}

func (p *program) meterList(world *string) *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "List the meters of a world file",
		Example: "  tianfu meter list --world world.yaml",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			w, err := meterWorld(*world)
			if err != nil {
				return err
			}
			doc := []meterDocument{}
			for i := range w.Meters {
				m := &w.Meters[i]
				doc = append(doc, meterDocument{m.Name, m.Kind, sensor.Covers{Level: sensor.Level(m.Level()), Path: m.Covers}, m.Address, m.Every.String(), len(m.Channels), m.SecretEnv})
			}
			return p.print(doc, worldMeterTable(w))
		},
	}
}

type meterDocument struct {
	Name      string        `json:"name"`
	Kind      string        `json:"kind"`
	Covers    sensor.Covers `json:"covers"`
	Address   string        `json:"address,omitempty"`
	Every     string        `json:"every"`
	Channels  int           `json:"channels,omitempty"` // declared; some kinds find their own
	SecretEnv string        `json:"secret_env,omitempty"`
}

// worldMeterTable shows the declared meters.
func worldMeterTable(w *fleet.World) *table {
	t := &table{header: []string{"METER", "KIND", "COVERS", "ADDRESS", "EVERY", "CHANNELS", "SECRET"}}
	for i := range w.Meters {
		m := &w.Meters[i]
		t.add(m.Name, m.Kind, m.Level()+" "+m.Covers, m.Address, m.Every.String(), count(len(m.Channels)), m.SecretEnv)
	}
	return t
}

// meterFlags are the flags of meter read.
type meterFlags struct {
	watch bool
	count int
}

func (p *program) meterRead(world *string) *cobra.Command {
	f := &meterFlags{}
	c := &cobra.Command{
		Use:   "read [METER]",
		Short: "Read meters once, or watch the energies of their intervals",
		Long: `Read asks every meter once and prints what it says: counters and powers. With
--watch it reads on at each meter's interval and prints the energies that the
centre would count, with their quality: measured, bridged over a gap, estimated
or missing; -o json then prints one document a line.

Without --world it reads what this machine itself has: RAPL and NVML. A meter
that cannot be read is said on stderr and ends the command with its code, after
the others were read.`,
		Example: "  tianfu meter read\n  tianfu meter read --world world.yaml pdu-r1\n  tianfu meter read --world world.yaml --watch",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return p.runMeters(c.Context(), *world, args, f)
		},
	}
	c.Flags().BoolVar(&f.watch, "watch", false, "read on, and print energies of intervals")
	c.Flags().IntVar(&f.count, "count", 0, "with --watch: end after so many readings (0: never)")
	return c
}

// meterWatch is read --watch by the name one looks for.
func (p *program) meterWatch(world *string) *cobra.Command {
	f := &meterFlags{watch: true}
	c := &cobra.Command{
		Use:     "watch [METER]",
		Short:   "Read on, and print the energies of intervals: meter read --watch",
		Example: "  tianfu meter watch --world world.yaml pdu-r1 --count 10",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return p.runMeters(c.Context(), *world, args, f)
		},
	}
	c.Flags().IntVar(&f.count, "count", 0, "end after so many readings (0: never)")
	return c
}

// runMeters opens the meters of a world file, or the one that is named, and
// reads them.
func (p *program) runMeters(ctx context.Context, world string, args []string, f *meterFlags) error {
	w, err := meterWorld(world)
	if err != nil {
		return err
	}
	if len(args) == 1 {
		w.Meters = slices.DeleteFunc(w.Meters, func(m fleet.Meter) bool { return m.Name != args[0] })
		if len(w.Meters) == 0 {
			return fault.New(fault.NotFound, "meter "+args[0], "is not declared", "see: tianfu meter list")
		}
	}
	meters, bad := openMeters(w, "")
	for _, err := range bad {
		fmt.Fprintln(p.err, "warning:", err)
	}
	if len(meters) == 0 && len(bad) > 0 {
		return bad[0]
	}
	if len(meters) == 0 && f.watch {
		return fault.New(fault.NotFound, "meter watch", "there is no meter to watch", "declare some under meters: in a world file, and name it: --world FILE")
	}
	if f.watch {
		return p.watchMeters(ctx, meters, f)
	}
	return p.readMeters(ctx, meters, bad)
}

type sampleDocument struct {
	Meter   string        `json:"meter"`
	Channel string        `json:"channel"`
	Covers  sensor.Covers `json:"covers"`
	At      string        `json:"at"`
	Kind    string        `json:"kind"`
	Count   string        `json:"count,omitempty"` // a counter's; text, for it may exceed 2^53
	Tick    int64         `json:"microjoules_per_count,omitempty"`
	KWh     float64       `json:"kwh,omitempty"`
	Watts   float64       `json:"watts,omitempty"`
}

// readMeters reads every meter once.
func (p *program) readMeters(ctx context.Context, meters []sensor.Meter, bad []error) error {
	doc := []sampleDocument{}
	t := &table{header: []string{"METER", "CHANNEL", "COVERS", "AT", "KWH", "WATTS"}}
	for _, m := range meters {
		samples, err := readMeter(ctx, m)
		if err != nil {
			err = fault.Wrap(err, "meter "+m.Name, "read")
			fmt.Fprintln(p.err, "warning:", err)
			bad = append(bad, err)
		}
		for _, s := range samples {
			d := sampleDocument{Meter: m.Name, Channel: s.Channel, Covers: s.Covers, At: s.At.String(), Kind: s.Kind.String()}
			kwh, watts := "", ""
			if s.Kind == sensor.Counter {
				d.Count, d.Tick = strconv.FormatUint(s.Count, 10), int64(s.Tick)
				d.KWh = float64(s.Count) * float64(s.Tick) / 3.6e12
				kwh = fixed(d.KWh, 6)
			} else {
				d.Watts = float64(s.Power) / 1000
				watts = fixed(d.Watts, 3)
			}
			doc = append(doc, d)
			t.add(m.Name, s.Channel, s.Covers.String(), d.At, kwh, watts)
		}
	}
	if err := p.print(doc, t); err != nil || len(bad) == 0 {
		return err
	}
	return fault.Wrap(bad[0], "", fmt.Sprintf("%d meters could not be read in full, the first", len(bad)))
}

// readMeter reads a meter once and closes it.
func readMeter(ctx context.Context, m sensor.Meter) ([]sensor.Sample, error) {
	defer m.Source.Close()
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	return m.Source.Read(ctx)
}

type readingDocument struct {
	From string `json:"from"`
	To   string `json:"to"`
	sensor.Reading
	Watts float64 `json:"watts"`
}

// watchMeters runs the poller and prints what it hands on.
func (p *program) watchMeters(ctx context.Context, meters []sensor.Meter, f *meterFlags) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	n := 0
	var failed error
	print := func(r sensor.Reading) {
		if failed != nil || f.count > 0 && n >= f.count {
			return
		}
		n++
		if failed = p.printReading(r, n == 1); failed != nil || n == f.count {
			cancel()
		}
	}
	poller, err := sensor.NewPoller(meters, print, slog.New(slog.NewTextHandler(p.err, nil)))
	if err != nil {
		return err
	}
	if err := poller.Run(ctx); err != nil {
		return err
	}
	return failed
}

func (p *program) printReading(r sensor.Reading, first bool) error {
	watts := float64(r.Power())
	if p.format == "json" || p.format == "yaml" {
		b, err := json.Marshal(readingDocument{r.From.String(), r.To.String(), r, watts})
		if err != nil {
			return err
		}
		if p.format == "yaml" {
			fmt.Fprintln(p.out, "---")
			return writeYAML(p.out, b)
		}
		_, err = fmt.Fprintf(p.out, "%s\n", b)
		return err
	}
	layout := "%-24s  %-12s  %-16s  %12s  %10s  %-9s  %s\n"
	if p.format == "csv" {
		layout = "%s,%s,%s,%s,%s,%s,%q\n"
	}
	if first {
		fmt.Fprintf(p.out, layout, "TO", "METER", "CHANNEL", "JOULES", "WATTS", "QUALITY", "NOTE")
	}
	to := r.To - r.To%unit.Instant(time.Millisecond)
	_, err := fmt.Fprintf(p.out, layout, to, r.Meter, r.Channel, fixed(float64(r.Energy)/1000, 3), fixed(watts, 1), r.Quality, r.Note)
	return err
}
