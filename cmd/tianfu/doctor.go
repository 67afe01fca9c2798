package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"tianfu/engine"
	"tianfu/engine/local"
	"tianfu/fault"
	"tianfu/fleet"
	"tianfu/unit"
)

// finding is one line of doctor: what was looked at, what was seen, and what to
// do about it.
type finding = engine.Finding

func (p *program) doctor() *cobra.Command {
	var data, world, node, cert, key string
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Check this machine before a centre runs on it, with a fix beside each failing line",
		Long: `Check what a centre needs of this machine: clock, disk, record log, certificate, world file, meters, hardware
that keeps limits of power, control groups and sandbox, with the level of isolation that tasks would have and what it does not cover. A line that
fails has its fix beside it; a note is worth knowing and stops nothing. The exit code is 1 when a line fails.`,
		Example: `  tianfu doctor --data /var/lib/tianfu
  tianfu doctor --data /var/lib/tianfu --tls-cert cert.pem --tls-key key.pem -o json
  tianfu doctor --world examples/chengdu.yaml`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			found := append(checkClock(), checkData(data)...)
			found = append(found, checkCertificate(cert, key)...)
			found = append(found, checkWorldFile(data, world, cmp.Or(node, machineName()))...)
			found = append(found, checkMeters(c.Context(), data, world)...)
			found = append(found, checkKnobs(data, world)...)
			probe, isolation := checkEngine(c.Context())
			found = append(found, isolation...)
			t := &table{header: []string{"CHECK", "STATE", "SEEN", "FIX"}}
			bad := 0
			for _, f := range found {
				state := "ok"
				switch {
				case !f.OK:
					state, bad = "FAILS", bad+1
				case f.Fix != "":
					state = "note"
				}
				t.add(f.Name, state, f.Detail, f.Fix)
			}
			if probe != nil {
				t.foot = fmt.Sprintf("isolation: %s by %s\n  covers: %s\n  does not cover: %s", probe.Level, probe.By, strings.Join(probe.Covers, "; "), strings.Join(probe.Gaps, "; "))
			}
			if err := p.print(map[string]any{"findings": found, "isolation": probe}, t); err != nil {
				return err
			}
			if bad > 0 {
				return fmt.Errorf("%d of %d checks fail", bad, len(found))
			}
			return nil
		},
	}
	c.Flags().StringVar(&data, "data", "", "data directory of the centre")
	c.Flags().StringVar(&cert, "tls-cert", "", "certificate file that the centre would serve with")
	c.Flags().StringVar(&key, "tls-key", "", "its key file")
	c.Flags().StringVar(&node, "node", "", "node of the world that this machine is (default: the one named like its host)")
	c.Flags().StringVar(&world, "world", "", "world file (default: world.yaml in the data directory)")
	return c
}

// checkData looks at the disk under the data directory, or where it would be.
func checkData(data string) []finding {
	if data == "" {
		return nil
	}
	var out []finding
	if st, err := os.Stat(data); err == nil {
		f := finding{Name: "data directory", OK: st.IsDir() && st.Mode().Perm() == 0o700, Detail: fmt.Sprintf("%s, mode %o", data, st.Mode().Perm())}
		if !f.OK {
			f.Fix = "chmod 700 " + data
		}
		out = append(out, f)
	} else {
		out = append(out, finding{Name: "data directory", OK: true, Detail: data + " will be made"})
	}
	at := data
	for _, err := os.Stat(at); err != nil && at != "/" && at != "."; _, err = os.Stat(at) {
		at = filepath.Dir(at)
	}
	var s syscall.Statfs_t
	if err := syscall.Statfs(at, &s); err != nil {
		return append(out, finding{Name: "disk", Detail: err.Error(), Fix: "choose a directory on a local disk"})
	}
	free := s.Bavail * uint64(s.Bsize) >> 20
	f := finding{Name: "disk", OK: free >= 1024, Detail: fmt.Sprintf("%d MiB free at %s", free, at)}
	if free < 64 {
		f.Detail += ": the node is short of disk, and what is to start waits"
	}
	if !f.OK {
		f.Fix = "make room: below 64 MiB no new work is taken"
	}
	return append(append(out, f), checkFileSystem(at, &s, data)...)
}

// worldFile returns the file that a centre of the data directory would read;
// empty when there is none yet, for the first run writes one.
func worldFile(data, world string) string {
	if world == "" && data != "" {
		world = filepath.Join(data, "world.yaml")
		if _, err := os.Stat(world); err != nil {
			return ""
		}
	}
	return world
}

// checkWorldFile reads the world file as a start would, and tells of a centre that
// did not take its file over when it started.
func checkWorldFile(data, world, node string) []finding {
	if world = worldFile(data, world); world == "" {
		return nil
	}
	w, warnings, err := parseWorldFile(world)
	if err != nil {
		return []finding{{Name: "world file", Detail: strings.ReplaceAll(err.Error(), "\n", "; "), Fix: "see: tianfu check " + world}}
	}
	if _, err := siteSignals(w); err != nil {
		return []finding{{Name: "world file", Detail: err.Error(), Fix: "the centre does not start with it: mend what it names"}}
	}
	out := []finding{{Name: "world file", OK: true, Detail: fmt.Sprintf("%s: %s, %s", world, unit.Count(len(w.Fleet().Nodes), "node"), unit.Count(len(warnings), "warning"))}}
	var f *fault.Error
	if err := ownNode(world, w.Fleet(), fleet.NodeID(node)); errors.As(err, &f) {
		out = append(out, finding{Name: "this machine", Detail: f.What, Fix: f.Fix})
	} else {
		out = append(out, finding{Name: "this machine", OK: true, Detail: "is node " + node})
	}
	if why, err := os.ReadFile(refusedWorld(data)); data != "" && err == nil {
		out = append(out, finding{Name: "world in force", Detail: "the file was not taken over at the start: " + strings.TrimSpace(string(why)), Fix: "mend " + world + ", then: tianfu world reload"})
	}
	return out
}

// checkEngine opens an engine in a directory of its own and asks how it would
// run tasks.
func checkEngine(ctx context.Context) (*engine.Probe, []finding) {
	dir, err := os.MkdirTemp("", "tianfu-doctor")
	if err != nil {
		return nil, []finding{{Name: "engine", Detail: err.Error(), Fix: "make room in the temporary directory"}}
	}
	defer os.RemoveAll(dir)
	e, err := local.Open(local.Options{Dir: filepath.Join(dir, "engine")})
	if err != nil {
		return nil, []finding{{Name: "engine", Detail: err.Error()}}
	}
	defer e.Close()
	probe, err := e.Probe(ctx)
	if err != nil {
		return nil, []finding{{Name: "engine", Detail: err.Error()}}
	}
	return &probe, probe.Findings
}
