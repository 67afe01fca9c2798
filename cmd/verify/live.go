package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// live is the table of a centre in real time.
func live(t *table) error {
	return t.steps([]step{
		{"submits", t.submits}, {"latency", t.latency}, {"pending", t.pendingLine}, {"restart", t.restart}, {"trivial", t.trivial}, {"proofs", t.proofs},
	})
}

// missing adds a row for what could not be measured here; it counts as short.
func (t *table) missing(what, asked, why string) { t.add(false, what, asked, "not measured: "+why) }

// submits measures durable submissions against a stub that does nothing but take
// a body over HTTP and make it durable, batch by batch.
func (t *table) submits() error {
	s, err := t.serve()
	if err != nil {
		return err
	}
	defer s.stop()
	if err := s.cordon(true); err != nil {
		return err
	}
	stub, err := t.startStub()
	if err != nil {
		return err
	}
	defer stub.stop()
	var ours, theirs []load
	for range 5 { // one after the other, so that both see the same machine
		for _, x := range []struct {
			at  *server
			out *[]load
		}{{s, &ours}, {stub, &theirs}} {
			l, err := x.at.load(32, 5*time.Second)
			if err != nil {
				return err
			}
			*x.out = append(*x.out, l)
		}
	}
	a, b := middle(ours), middle(theirs)
	ratio := 100 * a.rate / b.rate
	t.add(a.rate >= 5000 && a.p99 < 0.05 || ratio >= 60, "durable submits over HTTP, 32 clients, median of 5",
		">= 5000/s, p99 < 50 ms; or 60 %", fmt.Sprintf("%.0f/s, p99 %.1f ms, %.0f %% of the stub's %.0f/s", a.rate, 1000*a.p99, ratio, b.rate))
	return nil
}

func middle(all []load) load {
	slices.SortFunc(all, func(a, b load) int { return int(a.rate - b.rate) })
	return all[len(all)/2]
}

// latency measures from the request to the start of the process, on an idle
// centre.
func (t *table) latency() error {
	s, err := t.serve()
	if err != nil {
		return err
	}
	defer s.stop()
	var took []float64
	for i := range 60 {
		time.Sleep(500 * time.Millisecond)
		began := time.Now()
		id, err := s.submit(`{"name":"idle","command":["sleep","0.2"],"groups":[{"cpu":"100m","memory":"64MiB"}]}`)
		if err != nil {
			return err
		}
		started, err := s.started(id)
		if err != nil {
			return err
		}
		if i > 0 { // the first starts a shim
			took = append(took, started.Sub(began).Seconds())
		}
	}
	slices.Sort(took)
	p50, p99 := took[len(took)/2], took[len(took)*99/100]
	t.add(p50 < 0.02 && p99 < 0.06, "submit to process started, idle, 60 jobs", "p50 < 20 ms, p99 < 60 ms", fmt.Sprintf("p50 %.1f ms, p99 %.1f ms", 1000*p50, 1000*p99))
	return nil
}

// restart measures a start over a million records.
func (t *table) restart() error {
	s, err := t.serve()
	if err != nil {
		return err
	}
	defer s.stop()
	if err := s.cordon(true); err != nil {
		return err
	}
	for s.records = 0; s.records < 1_000_000; {
		if _, err := s.load(32, 10*time.Second); err != nil {
			return err
		}
	}
	s.stop()
	began := time.Now()
	if err := s.start(); err != nil {
		return err
	}
	t.atMost(fmt.Sprintf("restart with %d records", s.recovered), 5, time.Since(began).Seconds(), "s")
	return nil
}

// pendingLine measures a cycle with a long line on a large fleet.
func (t *table) pendingLine() error {
	out, err := goTest(10*time.Minute, nil, "./control", "-run", "^$", "-bench", "PendingHundredThousand", "-benchtime", "50x")
	if err != nil {
		return err
	}
	cycle, memory := metric(out, "median-ms"), metric(out, "heap-MiB")
	t.add(cycle > 0 && cycle < 100 && memory < 1024, "100,000 pending jobs x 10,000 nodes", "cycle < 100 ms, < 1 GiB", fmt.Sprintf("median %.1f ms, %.0f MiB of heap", cycle, memory))
	return nil
}

func metric(out, unit string) float64 {
	m := regexp.MustCompile(`([0-9.]+) ` + regexp.QuoteMeta(unit)).FindStringSubmatch(out)
	if m == nil {
		return 0
	}
	v, _ := strconv.ParseFloat(m[1], 64)
	return v
}

// proofs runs the long forms of the tests.
func (t *table) proofs() error {
	for _, p := range []struct {
		what, asked string
		limit       time.Duration
		env         []string
		args        []string
	}{
		{"twin test: sim and live, record logs", "200 scenarios equal", 10 * time.Minute, nil, []string{"./live", "-run", "SimAndLiveAreTwins"}},
		{"fault simulation of the core", "10,000 seeds", time.Hour, []string{"SEEDS=10000"}, []string{"./control", "-run", "FaultsBreakNoPromise|EveryPrefixGoesOn"}},
		{"fault simulation of the live centre", "1,000 seeds", time.Hour, []string{"SEEDS=1000"}, []string{"./live", "-run", "FaultsLoseNoWork"}},
		{"kill -9 at random moments, real binary", "100 kills, each job once", time.Hour, []string{"KILLS=100"}, []string{"./cmd/tianfu", "-run", "KillAtRandomMoments"}},
		{"conformance of stores and engines", "all", 20 * time.Minute, nil, []string{"./store/bolt", "./store/memory", "./engine/local", "-run", "Conform"}},
		{"API against its own document, every role", "no fault, as documented", 20 * time.Minute, []string{"SEEDS=50"}, []string{"./httpapi", "-run", "RequestsFromTheDocument"}},
	} {
		began := time.Now()
		out, err := goTest(p.limit, p.env, p.args...)
		measured := fmt.Sprintf("passed in %.0f s", time.Since(began).Seconds())
		if err != nil {
			measured = "failed"
			fmt.Fprintln(os.Stderr, tail(out, 20))
		} else if strings.Contains(out, "no tests to run") {
			err, measured = fmt.Errorf("nothing ran"), "nothing ran"
		}
		t.add(err == nil, p.what, p.asked, measured)
	}
	return nil
}

// goTest runs tests or benchmarks of this module.
func goTest(limit time.Duration, env []string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", append([]string{"test", "-count=1", "-timeout", limit.String()}, args...)...)
	cmd.Env = append(os.Environ(), env...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return out.String(), err
}

func tail(text string, lines int) string {
	all := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
