package main

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// trivial measures 10,000 jobs that do nothing, from the first submission to the
// last end, on this centre and on the peers that are set up here;
// docs/performance.md says how. TRIVIAL=n takes another number.
func (t *table) trivial() error {
	n := 10_000
	if v, err := strconv.Atoi(os.Getenv("TRIVIAL")); err == nil {
		n = v
	}
	what := fmt.Sprintf("%d trivial jobs, submit to finish", n)
	ours, err := t.trivialHere(n)
	if err != nil {
		return err
	}
	t.add(true, what+": tianfu", "reported", fmt.Sprintf("%.1f s, %.0f/s", ours, float64(n)/ours))
	best := 0.0
	for _, p := range []struct {
		name string
		run  func(int) (float64, error)
	}{{"slurm", trivialSlurm}, {"nomad", trivialNomad}} {
		took, err := p.run(n)
		if err != nil {
			t.missing(what+": "+p.name, "reported", err.Error())
			continue
		}
		t.add(true, what+": "+p.name, "reported", fmt.Sprintf("%.1f s, %.0f/s", took, float64(n)/took))
		if best == 0 || took < best {
			best = took
		}
	}
	if best == 0 {
		t.missing(what+": against the better peer", ">= 5 times faster", "no peer")
		return nil
	}
	t.atLeast(what+": against the better peer", 5, best/ours, "times")
	return nil
}

func (t *table) trivialHere(n int) (float64, error) {
	s, err := t.serve()
	if err != nil {
		return 0, err
	}
	defer s.stop()
	began := time.Now()
	if err := s.submitAll(n, 4, trivialJob); err != nil {
		return 0, err
	}
	for _, phase := range []string{"pending", "running"} {
		for {
			var page struct {
				Jobs []struct{ ID string }
				Next string
			}
			if err := s.call(http.MethodGet, "/v1/jobs?limit=1&phase="+phase, "", &page); err != nil {
				return 0, err
			}
			if len(page.Jobs) == 0 && page.Next == "" {
				break
			}
			time.Sleep(50 * time.Millisecond)
		}
	}
	took := time.Since(began).Seconds()
	done := 0
	for cursor := ""; ; {
		var page struct {
			Jobs []struct{ ID string }
			Next string
		}
		if err := s.call(http.MethodGet, "/v1/jobs?limit=1000&phase=completed"+cursor, "", &page); err != nil {
			return 0, err
		}
		if done += len(page.Jobs); page.Next == "" {
			break
		}
		cursor = "&cursor=" + page.Next
	}
	if done != n {
		return 0, fmt.Errorf("%d of %d jobs completed", done, n)
	}
	return took, nil
}

// trivialSlurm submits one array, which is the quickest way that Slurm has.
func trivialSlurm(n int) (float64, error) {
	if err := exec.Command("sinfo", "-h").Run(); err != nil {
		return 0, fmt.Errorf("no Slurm answers here")
	}
	began := time.Now()
	out, err := exec.Command("sbatch", "--parsable", "--array=1-"+strconv.Itoa(n), "-n1", "-o", "/dev/null", "-e", "/dev/null", "--wrap", "true").CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("sbatch: %s", strings.TrimSpace(string(out)))
	}
	id := strings.TrimSpace(string(out))
	for {
		out, err := exec.Command("squeue", "-h", "-j", id, "-t", "PD,R,CG", "-o", "%A").CombinedOutput()
		if err != nil && !strings.Contains(string(out), "Invalid job id") {
			return 0, fmt.Errorf("squeue: %s", strings.TrimSpace(string(out)))
		}
		if err != nil || strings.TrimSpace(string(out)) == "" {
			return time.Since(began).Seconds(), nil
		}
		time.Sleep(500 * time.Millisecond)
	}
}

// trivialNomad registers one batch job after another through the HTTP API.
func trivialNomad(n int) (float64, error) {
	address := os.Getenv("NOMAD_ADDR")
	if address == "" {
		address = "http://127.0.0.1:4646"
	}
	s := newServer("", strings.TrimPrefix(address, "http://"))
	if err := s.call(http.MethodGet, "/v1/status/leader", "", nil); err != nil {
		return 0, fmt.Errorf("no Nomad answers here")
	}
	prefix := fmt.Sprintf("trivial-%d-", time.Now().Unix())
	began := time.Now()
	ended := make(chan error, 4)
	for w := range 4 {
		go func() {
			for i := w; i < n; i += 4 {
				body := fmt.Sprintf(`{"Job":{"ID":"%s%d","Name":"t","Type":"batch","Datacenters":["dc1"],"TaskGroups":[{"Name":"g","Count":1,"EphemeralDisk":{"SizeMB":10},"Tasks":[{"Name":"t","Driver":"raw_exec","Config":{"command":"/bin/true"},"Resources":{"CPU":100,"MemoryMB":10},"LogConfig":{"MaxFiles":1,"MaxFileSizeMB":1}}]}]}}`, prefix, i)
				if err := s.call(http.MethodPut, "/v1/jobs", body, nil); err != nil {
					ended <- err
					return
				}
			}
			ended <- nil
		}()
	}
	for range 4 {
		if err := <-ended; err != nil {
			return 0, err
		}
	}
	for {
		var jobs []struct {
			Status     string
			JobSummary struct {
				Summary map[string]struct{ Complete, Failed int }
			}
		}
		if err := s.call(http.MethodGet, "/v1/jobs?prefix="+prefix, "", &jobs); err != nil {
			return 0, err
		}
		done := 0
		for _, j := range jobs {
			if j.JobSummary.Summary["g"].Complete > 0 {
				done++
			}
			if j.JobSummary.Summary["g"].Failed > 0 {
				return 0, fmt.Errorf("a job of Nomad's failed")
			}
		}
		if done == n {
			return time.Since(began).Seconds(), nil
		}
		time.Sleep(time.Second)
	}
}
