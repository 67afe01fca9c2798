package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// server is a process that takes jobs over HTTP: a centre, or the stub.
type server struct {
	binary    string
	args      []string
	base      string
	token     string
	cmd       *exec.Cmd
	client    *http.Client
	records   int // submitted so far
	recovered int // as the last start said
	node      string
}

// serve starts a centre on a data directory of its own.
func (t *table) serve() (*server, error) {
	data, err := os.MkdirTemp(t.scratch, "centre")
	if err != nil {
		return nil, err
	}
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	s := newServer(t.binary, address, "serve", "--data", filepath.Join(data, "data"), "--listen", address)
	if err := s.start(); err != nil {
		return nil, err
	}
	var nodes struct{ Nodes []struct{ Name string } }
	if err := s.call(http.MethodGet, "/v1/nodes", "", &nodes); err != nil {
		s.stop()
		return nil, err
	}
	s.node = nodes.Nodes[0].Name
	return s, nil
}

// startStub starts this program as the stub.
func (t *table) startStub() (*server, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	s := newServer(self, address, "stub", address, filepath.Join(t.scratch, "stub.log"))
	return s, s.start()
}

func newServer(binary, address string, args ...string) *server {
	return &server{binary: binary, args: args, base: "http://" + address,
		client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}, Timeout: time.Minute}}
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// start runs the process until it says that it serves.
func (s *server) start() error {
	s.cmd = exec.Command(s.binary, s.args...)
	out, err := s.cmd.StderrPipe()
	if err != nil {
		return err
	}
	if err := s.cmd.Start(); err != nil {
		return err
	}
	var seen strings.Builder
	for sc := bufio.NewScanner(out); sc.Scan(); {
		line := sc.Text()
		seen.WriteString(line + "\n")
		if strings.HasPrefix(line, "tf_") {
			s.token = line
		}
		if _, after, ok := strings.Cut(line, " serves "); ok {
			if i := strings.LastIndex(after, "("); i >= 0 {
				fmt.Sscanf(after[i:], "(%d records)", &s.recovered)
			}
			go io.Copy(io.Discard, out)
			return nil
		}
	}
	return fmt.Errorf("%s %v did not start: %s", s.binary, s.args, seen.String())
}

// stop ends the process at once, as a crash would.
func (s *server) stop() {
	if s.cmd != nil {
		s.cmd.Process.Signal(syscall.SIGKILL)
		s.cmd.Wait()
		s.cmd = nil
	}
}

// call makes a request; into is where the answer goes, nil for none.
func (s *server) call(method, path, body string, into any) error {
	r, err := http.NewRequest(method, s.base+path, strings.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	if s.token != "" {
		r.Header.Set("Authorization", "Bearer "+s.token)
	}
	reply, err := s.client.Do(r)
	if err != nil {
		return err
	}
	defer reply.Body.Close()
	text, err := io.ReadAll(reply.Body)
	if err == nil && reply.StatusCode >= 300 {
		err = fmt.Errorf("%s %s: status %d: %s", method, path, reply.StatusCode, bytes.TrimSpace(text))
	}
	if err != nil || into == nil {
		return err
	}
	return json.Unmarshal(text, into)
}

func (s *server) cordon(closed bool) error {
	return s.call(http.MethodPut, "/v1/nodes/"+s.node+"/state", fmt.Sprintf(`{"cordoned":%v}`, closed), nil)
}

func (s *server) submit(body string) (string, error) {
	var out struct{ ID string }
	return out.ID, s.call(http.MethodPost, "/v1/jobs", body, &out)
}

// started waits for the start of a job's first task.
func (s *server) started(id string) (time.Time, error) {
	for range 2000 {
		var j struct{ Tasks []struct{ Started string } }
		if err := s.call(http.MethodGet, "/v1/jobs/"+id, "", &j); err != nil {
			return time.Time{}, err
		}
		if len(j.Tasks) > 0 && j.Tasks[0].Started != "" {
			return time.Parse(time.RFC3339Nano, j.Tasks[0].Started)
		}
		time.Sleep(5 * time.Millisecond)
	}
	return time.Time{}, fmt.Errorf("%s did not start", id)
}

// load is what clients saw: requests a second, and the 99th percentile of their
// time in seconds.
type load struct{ rate, p99 float64 }

const trivialJob = `{"name":"trivial","command":["true"],"groups":[{"cpu":"100m","memory":"64MiB"}]}`

// load submits one job a request from so many clients for a while.
func (s *server) load(clients int, d time.Duration) (load, error) {
	var mu sync.Mutex
	var took []float64
	var failed error
	var wg sync.WaitGroup
	began := time.Now()
	for range clients {
		wg.Go(func() {
			var mine []float64
			for time.Since(began) < d {
				at := time.Now()
				if _, err := s.submit(trivialJob); err != nil {
					mu.Lock()
					failed = err
					mu.Unlock()
					return
				}
				mine = append(mine, time.Since(at).Seconds())
			}
			mu.Lock()
			took = append(took, mine...)
			mu.Unlock()
		})
	}
	wg.Wait()
	if failed != nil {
		return load{}, failed
	}
	s.records += len(took)
	slices.Sort(took)
	return load{float64(len(took)) / time.Since(began).Seconds(), took[len(took)*99/100]}, nil
}

// submitAll submits a number of jobs.
func (s *server) submitAll(n, clients int, body string) error {
	var left atomic.Int64
	left.Store(int64(n))
	var mu sync.Mutex
	var failed error
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				if _, err := s.submit(body); err != nil {
					mu.Lock()
					failed = err
					mu.Unlock()
					return
				}
			}
		})
	}
	wg.Wait()
	return failed
}
