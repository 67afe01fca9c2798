package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/net/netutil"

	"tianfu/audit"
	"tianfu/control"
	"tianfu/engine"
	"tianfu/engine/local"
	"tianfu/fault"
	"tianfu/httpapi"
	"tianfu/live"
	"tianfu/store"
	"tianfu/store/bolt"
	"tianfu/unit"
)

// version is what the API says it is.
const version = "0.1"

// serveFlags are the flags of serve.
type serveFlags struct {
	data, world, listen string
	node                string // that this machine is
	cert, key           string
	policy              string
	require             string
	images              []string
	snapshotEvery       uint64
	keepRecords         time.Duration
	keepLogs            time.Duration
	keepLogBytes        string
	logFormat           string
	meterEvery          time.Duration
	otlp                string
	connections         int
	oidc                oidcFlags
}

func (p *program) serve() *cobra.Command {
	f := &serveFlags{}
	c := &cobra.Command{
		Use:   "serve",
		Short: "Run a centre live, with this machine as its first node",
		Long: `Run a centre live: an API, the scheduler that replay uses, and this machine as the first node. The first
run makes the data directory, a world file that describes this machine, and an operator's token, which is
printed once. Tasks outlive the server: after a restart they are taken up again.`,
		Example: "  tianfu serve --data /var/lib/tianfu\n  TIANFU_TOKEN=tf_... tianfu job submit --name hello -- echo hello",
		Args:    cobra.NoArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return p.runServe(c.Context(), f) },
	}
	fl := c.Flags()
	fl.StringVar(&f.data, "data", "", "data directory")
	fl.StringVar(&f.world, "world", "", "world file (default: world.yaml in the data directory)")
	fl.StringVar(&f.node, "node", "", "node of the world that this machine is (default: the one named like its host)")
	fl.StringVar(&f.listen, "listen", "127.0.0.1:8420", "address to listen on; away from loopback TLS is required")
	fl.StringVar(&f.cert, "tls-cert", "", "certificate file")
	fl.StringVar(&f.key, "tls-key", "", "key file")
	fl.StringVar(&f.policy, "policy", "tianfu", "placement policy")
	fl.StringVar(&f.require, "require-isolation", "", "refuse tasks below this level: process, landlock or sandbox")
	fl.StringArrayVar(&f.images, "images", []string{"/srv/images"}, "directory below which the unpacked images lie that jobs may name (repeatable)")
	fl.Uint64Var(&f.snapshotEvery, "snapshot-every", live.DefaultSnapshotEvery, "records between two snapshots of the state")
	fl.DurationVar(&f.keepRecords, "keep-records", 0, "how long to keep records, such as 2160h; older ones are forgotten once two snapshots hold them (0 = for ever)")
	fl.DurationVar(&f.meterEvery, "meter-every", time.Minute, "length of an interval of the energy ledger, 1s to 24h; 0 keeps none")
	fl.StringVar(&f.otlp, "otlp-endpoint", "", "send traces to this OpenTelemetry collector (OTLP/HTTP), such as http://127.0.0.1:4318 (default: OTEL_EXPORTER_OTLP_ENDPOINT; none, no traces)")
	f.oidc.register(c)
	fl.IntVar(&f.connections, "max-connections", httpapi.DefaultConnections, "the most connections to the API at one time; one more is told so and closed")
	fl.DurationVar(&f.keepLogs, "keep-logs", 0, "how long to keep what ended tasks wrote, such as 720h (0 = for ever)")
	fl.StringVar(&f.keepLogBytes, "keep-logs-size", "", "the most that what ended tasks wrote may take, such as 10GiB; the oldest goes first")
	fl.StringVar(&f.logFormat, "log-format", "text", "of the server's own log on standard error: text or json")
	c.MarkFlagRequired("data")
	return c
}

func (p *program) runServe(ctx context.Context, f *serveFlags) error {
	if err := f.check(); err != nil {
		return err
	}
	roomForWriters()
	provider, err := f.oidc.provider()
	if err != nil {
		return err
	}
	listener, err := f.listener()
	if err != nil {
		return err
	}
	defer listener.Close()
	d, err := p.openData(f)
	if err != nil {
		return err
	}
	defer d.close()
	eng, err := local.Open(local.Options{Dir: filepath.Join(f.data, "engine"), Hide: f.secrets(), Images: f.images, Require: engine.Level(f.require)})
	if err != nil {
		return err
	}
	defer eng.Close()
	if err := p.firstWorld(ctx, f, eng); err != nil {
		return err
	}
	world, err := p.readWorldAloud(f)
	if err != nil {
		return err
	}
	p.allowKnobs(eng, world)
	logger, err := p.logger(f.logFormat)
	if err != nil {
		return err
	}
	keep, err := f.logLimits()
	if err != nil {
		return err
	}
	o, err := f.live(world, logger)
	if err != nil {
		return err
	}
	tracer, delivered, err := openTracer(ctx, f.otlp, world.config.Fleet.Name, logger)
	if err != nil {
		return err
	}
	defer delivered()
	o.Store, o.Engine, o.Tracer = d.log, eng, tracer
	os.Remove(refusedWorld(f.data)) // of the start before
	keeper := &worldKeeper{flags: f, now: world, trail: d.trail, logger: logger, provider: provider, engine: eng}
	o.Refused = func(err error) { fmt.Fprintln(p.err, keeper.refuse(err)) }
	c, records, err := live.Open(ctx, o)
	if err != nil {
		return err
	}
	fmt.Fprintf(p.err, "tianfu serves %s at %s (%d records)\n", world.config.Fleet.Name, listener.Addr(), records)
	if err := d.trail.Append(audit.Record{Action: "start the centre", Target: fmt.Sprintf("%s world %.12s", listener.Addr(), world.digest), Outcome: audit.Allowed}); err != nil {
		return err
	}
	keeper.centre = c
	stop := beside(ctx, keeper.follow,
		func(ctx context.Context) { keepLogs(ctx, eng, c, keep, logger) },
		func(ctx context.Context) { followTokens(ctx, f.data, d.tokens, d.trail, logger) })
	defer stop() // before what they use is closed
	a := d.apiOptions(f, c, keeper)
	a.Logger, a.Provider, a.Tracer = logger, provider, tracer
	return p.serveUntil(ctx, c, f.server(httpapi.New(c, a)), listener)
}

// server serves an API within bounds of time, size and number.
func (f *serveFlags) server(api http.Handler) *http.Server {
	s := &http.Server{Handler: api, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10}
	httpapi.LimitConnections(s, f.connections)
	return s
}

// beside does work for as long as the context lasts; stop ends it and waits.
func beside(ctx context.Context, work ...func(context.Context)) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var all sync.WaitGroup
	for _, f := range work {
		all.Go(func() { f(ctx) })
	}
	return func() { cancel(); all.Wait() }
}

// roomForWriters lets two more threads run Go code than there are processors: the
// writers of the record log and of the audit log spend their time in fsync, and
// until the runtime notices, each keeps a processor from the requests that wait.
func roomForWriters() {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.SetDefaultGOMAXPROCS()
		runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + 2)
	}
}

// check refuses flags that cannot be.
func (f *serveFlags) check() error {
	if f.meterEvery != 0 && (f.meterEvery < control.MinMetering || f.meterEvery > control.MaxMetering) {
		return fault.New(fault.Invalid, "--meter-every", f.meterEvery.String()+" is out of range", "give 1s to 24h, or 0 for no ledger")
	}
	if f.connections < 1 || f.connections > 1<<20 {
		return fault.New(fault.Invalid, "--max-connections", fmt.Sprintf("%d is out of range", f.connections), "give 1 to 1048576")
	}
	if f.keepRecords < 0 {
		return fault.New(fault.Invalid, "--keep-records", f.keepRecords.String()+" is below zero", "give a time such as 2160h, or 0 for ever")
	}
	return nil
}

// secrets are the files and directories that no task may see.
func (f *serveFlags) secrets() []string {
	out := []string{f.data}
	if f.key != "" {
		out = append(out, f.key)
	}
	return out
}

// live says what the centre runs with, but for its store and engine.
func (f *serveFlags) live(world *readyWorld, logger *slog.Logger) (o live.Options, err error) {
	o = live.Options{Config: world.config, Node: world.own, Logger: logger, SnapshotEvery: f.snapshotEvery, KeepRecords: f.keepRecords,
		Now: func() unit.Instant { return unit.Instant(time.Now().UnixNano()) }}
	world.wiring, err = f.wire(world, nil, logger)
	o.Meters, o.Signals = world.wiring.meters, world.wiring.signals
	return o, err
}

// meterLag is how long the ledger waits for readings after an interval's end:
// meters that are read every few seconds have told by then, and what slower ones
// tell corrects later intervals.
const meterLag = 15 * time.Second

// openedData is what lies open of a data directory while a centre runs.
type openedData struct {
	log    *bolt.Store
	tokens *httpapi.Tokens
	trail  *audit.Log
}

// openData opens a data directory, making what is not there yet.
func (p *program) openData(f *serveFlags) (d *openedData, err error) {
	d = &openedData{}
	defer func() {
		if err != nil {
			d.close()
		}
	}()
	if !bolt.Exists(f.data) && engineHasTasks(f.data) {
		return d, bolt.Missing(f.data, "tasks") // a new centre would give their IDs out again
	}
	if d.log, err = bolt.Open(f.data); err != nil {
		return d, err
	}
	for _, n := range d.log.Notices() {
		fmt.Fprintln(p.err, "notice:", n)
	}
	if err := os.Chmod(f.data, 0o700); err != nil {
		return d, &fault.Error{Kind: fault.Denied, Where: f.data, What: "keep the data directory private", Err: err}
	}
	if d.tokens, err = p.firstTokens(f.data); err != nil {
		return d, err
	}
	var notice string
	if d.trail, notice, err = audit.Open(filepath.Join(f.data, "audit")); err != nil {
		return d, err
	}
	if notice != "" {
		fmt.Fprintln(p.err, "warning:", notice)
	}
	return d, nil
}

// engineHasTasks tells whether the engine of a data directory has tasks, or what
// ended ones left.
func engineHasTasks(data string) bool {
	for _, dir := range []string{"tasks", "done"} {
		if list, _ := os.ReadDir(filepath.Join(data, "engine", dir)); len(list) > 0 {
			return true
		}
	}
	return false
}

func (d *openedData) close() {
	if d.trail != nil {
		d.trail.Close()
	}
	if d.log != nil {
		d.log.Close()
	}
}

// apiOptions says what the API may do with the data directory.
func (d *openedData) apiOptions(f *serveFlags, c *live.Centre, keeper *worldKeeper) httpapi.Options {
	whatIfs := whatIfStore{filepath.Join(f.data, "whatif")}
	return httpapi.Options{WhatIfs: &httpapi.WhatIfs{Save: whatIfs.save, Load: whatIfs.load, List: whatIfs.list}, Tokens: d.tokens, Version: version, Audit: d.trail, Ledger: keeper.money,
		ChangeTokens: func(change func(*httpapi.Tokens) error) error {
			fresh, err := changeTokens(f.data, change)
			if err == nil {
				d.tokens.Replace(fresh)
			}
			return err
		},
		World: keeper.world, Reload: keeper.reload, Datasets: keeper.datasets,
		Backup: func(ctx context.Context, w io.Writer) error {
			return writeBackup(w, f.data, f.worldFile(), func(a *store.Archive) error { return c.Backup(ctx, a) })
		}}
}

// serveUntil runs the centre and its API until the context ends or the centre
// fails.
func (p *program) serveUntil(ctx context.Context, c *live.Centre, s *http.Server, l net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s.BaseContext = func(net.Listener) context.Context { return ctx }
	ended := make(chan error, 2)
	go func() { ended <- c.Run(ctx) }()
	go func() {
		if err := s.Serve(l); err != nil && !errors.Is(err, http.ErrServerClosed) {
			ended <- err
		}
	}()
	var err error
	select {
	case err = <-ended:
	case <-ctx.Done():
	}
	cancel()
	stop, done := context.WithTimeout(context.Background(), 5*time.Second)
	defer done()
	s.Shutdown(stop)
	if err == nil {
		select {
		case err = <-ended:
		case <-stop.Done():
		}
	}
	if err == nil {
		fmt.Fprintln(p.err, "tianfu has stopped; tasks run on, and the next start takes them up")
	}
	return err
}

// worldFile names the file that declares the world.
func (f *serveFlags) worldFile() string {
	if f.world != "" {
		return f.world
	}
	return filepath.Join(f.data, "world.yaml")
}

// listener opens the address; away from loopback only with TLS.
func (f *serveFlags) listener() (net.Listener, error) {
	host, _, err := net.SplitHostPort(f.listen)
	if err != nil {
		return nil, fault.New(fault.Invalid, "--listen", err.Error(), "write it like 127.0.0.1:8420")
	}
	ip := net.ParseIP(host)
	loopback := host == "localhost" || ip != nil && ip.IsLoopback()
	if (f.cert == "") != (f.key == "") {
		return nil, fault.New(fault.Invalid, "--tls-cert", "and --tls-key go together", "give both")
	}
	if !loopback && f.cert == "" {
		return nil, fault.New(fault.Invalid, "--listen", f.listen+" is not loopback, and tokens would cross the network in the clear", "give --tls-cert and --tls-key")
	}
	l, err := net.Listen("tcp", f.listen)
	for tries := 0; errors.Is(err, syscall.EADDRINUSE) && tries < 30; tries++ {
		// A server that was killed this instant may leave the address to a child
		// that has not yet become a shim.
		time.Sleep(100 * time.Millisecond)
		l, err = net.Listen("tcp", f.listen)
	}
	if err != nil {
		return nil, &fault.Error{Kind: fault.Unavailable, Where: "--listen", What: "open " + f.listen, Err: err, Fix: "choose another address"}
	}
	l = netutil.LimitListener(l, f.connections+httpapi.SpareConnections)
	if f.cert == "" {
		return l, nil
	}
	pair, err := readCertificate(f.cert, f.key)
	if err != nil {
		l.Close()
		return nil, err
	}
	return tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}), nil
}
