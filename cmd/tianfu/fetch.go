package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"path"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"tianfu/fault"
)

// publicTrace is a workload that others publish. Nothing of it is in this
// binary: people who are online fetch it themselves.
type publicTrace struct {
	Name    string   `json:"name"`
	URLs    []string `json:"urls"`
	Sums    []string `json:"sha256"` // of each file; "" = not known to us
	Licence string   `json:"licence"`
	Cite    string   `json:"cite"`
}

const openbBase = "https://raw.githubusercontent.com/alibaba/clusterdata/master/cluster-trace-gpu-v2023/csv/"

var publicTraces = []publicTrace{
	{
		Name: "openb",
		URLs: []string{
			openbBase + "openb_node_list_gpu_node.csv", openbBase + "openb_pod_list_default.csv",
			openbBase + "openb_pod_list_multigpu50.csv", openbBase + "openb_pod_list_gpushare100.csv", openbBase + "openb_pod_list_gpuspec33.csv",
		},
		Sums:    openbSums[:],
		Licence: "research and study; the publisher asks to be told of publications",
		Cite:    "Weng et al., Beware of Fragmentation, USENIX ATC 2023",
	},
	{
		Name:    "kit-fh2",
		URLs:    []string{"https://www.cs.huji.ac.il/labs/parallel/workload/l_kit_fh2/KIT-FH2-2016-1.swf.gz"},
		Sums:    []string{""},
		Licence: "Parallel Workloads Archive: free to use with acknowledgement",
		Cite:    "Feitelson, Tsafrir, Krakov, JPDC 74(10), 2014",
	},
}

// fetchLimit bounds a downloaded file.
const fetchLimit = 1 << 30

func (p *program) traceList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the public traces that fetch knows", Args: cobra.NoArgs, Example: "  tianfu trace list",
		RunE: func(*cobra.Command, []string) error {
			t := &table{header: []string{"NAME", "FILES", "LICENCE", "CITE"}}
			for i := range publicTraces {
				x := &publicTraces[i]
				t.add(x.Name, fmt.Sprint(len(x.URLs)), x.Licence, x.Cite)
			}
			return p.print(publicTraces, t)
		},
	}
}

func (p *program) traceFetch() *cobra.Command {
	var out string
	c := &cobra.Command{
		Use: "fetch NAME", Short: "Download a public trace and check it", Args: cobra.ExactArgs(1), Example: "  tianfu trace fetch openb --out traces/openb",
		RunE: func(c *cobra.Command, args []string) error {
			for i := range publicTraces {
				if publicTraces[i].Name == args[0] {
					return p.fetch(c.Context(), &publicTraces[i], out)
				}
			}
			return fault.New(fault.NotFound, "trace "+args[0], "is not known", "see: tianfu trace list")
		},
	}
	c.Flags().StringVar(&out, "out", "out/traces", "directory to write to")
	return c
}

// fetch downloads the files of a trace one by one; each is written whole or
// not at all.
func (p *program) fetch(ctx context.Context, t *publicTrace, dir string) error {
	client := &http.Client{Timeout: 10 * time.Minute}
	for i, url := range t.URLs {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		reply, err := client.Do(req)
		if err != nil {
			return &fault.Error{Kind: fault.Unavailable, Where: url, What: "download", Err: err, Fix: "go online, or make a workload with: tianfu trace generate"}
		}
		body, err := io.ReadAll(io.LimitReader(reply.Body, fetchLimit+1))
		reply.Body.Close()
		switch {
		case err != nil:
			return &fault.Error{Kind: fault.Unavailable, Where: url, What: "download", Err: err}
		case reply.StatusCode != http.StatusOK:
			return fault.New(fault.Unavailable, url, "the server answered "+reply.Status, "try again later")
		case len(body) > fetchLimit:
			return fault.New(fault.Invalid, url, "is larger than 1 GiB", "")
		}
		sum := sha256.Sum256(body)
		if got := hex.EncodeToString(sum[:]); t.Sums[i] != "" && got != t.Sums[i] {
			return fault.New(fault.Invalid, url, "has checksum "+got+", expected "+t.Sums[i], "nothing was written; the publisher may have changed the file")
		}
		name := filepath.Join(dir, path.Base(url))
		if err := writeFile(name, func(w io.Writer) error { _, err := io.Copy(w, bytes.NewReader(body)); return err }); err != nil {
			return err
		}
		fmt.Fprintf(p.err, "%s  %d bytes\n", name, len(body))
	}
	fmt.Fprintf(p.err, "licence: %s\ncite: %s\n", t.Licence, t.Cite)
	return nil
}
