package local

import (
	"os"
	"slices"
	"testing"
	"time"

	"tianfu/engine"
	"tianfu/job"
)

// BenchmarkStart measures an order given to a task reported as started, and the
// whole life of a task that does nothing, one after another. TIANFU_BINARY names
// the built program to run as shim; without it the test binary is its own.
func BenchmarkStart(b *testing.B) {
	for _, level := range []engine.Level{engine.LevelSandbox, engine.LevelLandlock, engine.LevelProcess} {
		b.Run(string(level), func(b *testing.B) {
			e, err := Open(Options{Dir: b.TempDir(), AtMost: level, Binary: os.Getenv("TIANFU_BINARY")})
			if err != nil {
				b.Fatal(err)
			}
			defer e.Close()
			if e.site.level != level {
				b.Skip("not on this machine")
			}
			var starts, lives []time.Duration
			for n := 0; b.Loop(); n++ {
				o := engine.Order{Key: engine.Key{Job: job.ID(n + 1), Generation: 1}, Command: []string{"true"}}
				began := time.Now()
				if err := e.Start(b.Context(), o); err != nil {
					b.Fatal(err)
				}
				for r := range e.Reports() {
					if r.Kind == engine.Started {
						starts = append(starts, time.Since(began))
						continue
					}
					if !r.Exit.OK() {
						b.Fatalf("%+v", r)
					}
					break
				}
				lives = append(lives, time.Since(began))
			}
			report := func(name string, d []time.Duration) {
				slices.Sort(d)
				b.ReportMetric(float64(d[len(d)/2].Microseconds())/1000, name+"-p50-ms")
				b.ReportMetric(float64(d[len(d)*99/100].Microseconds())/1000, name+"-p99-ms")
			}
			report("started", starts)
			report("ended", lives)
		})
	}
}

// BenchmarkThroughput runs trivial tasks eight at a time.
func BenchmarkThroughput(b *testing.B) {
	e, err := Open(Options{Dir: b.TempDir(), Binary: os.Getenv("TIANFU_BINARY")})
	if err != nil {
		b.Fatal(err)
	}
	defer e.Close()
	give := func(n int) {
		o := engine.Order{Key: engine.Key{Job: job.ID(n + 1), Generation: 1}, Command: []string{"true"}}
		if err := e.Start(b.Context(), o); err != nil {
			b.Error(err)
		}
	}
	n := min(8, b.N)
	for i := range n {
		give(i)
	}
	for ended := 0; ended < b.N; {
		r := <-e.Reports()
		if r.Kind != engine.Exited {
			continue
		}
		if err := e.Ack(b.Context(), r.Key); err != nil {
			b.Fatal(err)
		}
		ended++
		if n < b.N {
			give(n)
			n++
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "tasks/s")
}
