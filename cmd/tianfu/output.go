package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/schollz/progressbar/v3"
	"go.yaml.in/yaml/v3"

	"tianfu/fault"
)

// table is the tabular form of a document, for people and for CSV.
type table struct {
	header []string
	rows   [][]string
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

// print writes one document to stdout in the format of -o.
func (p *program) print(document any, t *table) error {
	switch p.format {
	case "json":
		b, err := json.MarshalIndent(document, "", "  ")
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(p.out, "%s\n", b)
		return err
	case "yaml":
		b, err := json.Marshal(document)
		if err != nil {
			return err
		}
		return writeYAML(p.out, b)
	case "csv":
		w := csv.NewWriter(p.out)
		w.Write(t.header)
		w.WriteAll(t.rows)
		return w.Error()
	}
	return t.write(p.out)
}

// writeYAML renders JSON, which is also YAML, in YAML's own layout: keys keep
// their order and strings that look like numbers keep their quotes.
func writeYAML(out io.Writer, jsonText []byte) error {
	var n yaml.Node
	if err := yaml.Unmarshal(jsonText, &n); err != nil {
		return err
	}
	plain(&n)
	e := yaml.NewEncoder(out)
	e.SetIndent(2)
	if err := e.Encode(&n); err != nil {
		return err
	}
	return e.Close()
}

// plain drops the quotes and braces of JSON; the encoder puts quotes back where
// a word would read as something else.
func plain(n *yaml.Node) {
	n.Style = 0
	for _, c := range n.Content {
		plain(c)
	}
}

// checkFormat refuses an unknown -o before any work is done.
func (p *program) checkFormat() error {
	switch p.format {
	case "table", "json", "yaml", "csv":
		return nil
	}
	return fault.New(fault.Invalid, "--output", fmt.Sprintf("%q is not a format", p.format), "use table, json, yaml or csv")
}

// write lays the table out in columns; numbers align to the right.
func (t *table) write(out io.Writer) error {
	var b bytes.Buffer
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, strings.Join(t.header, "\t"))
	for _, r := range t.rows {
		fmt.Fprintln(w, strings.Join(r, "\t"))
	}
	w.Flush()
	for line := range strings.Lines(b.String()) {
		if _, err := fmt.Fprintln(out, strings.TrimRight(line, " \n")); err != nil {
			return err
		}
	}
	return nil
}

// progress shows how far long work has come, on a terminal only.
func (p *program) progress(total int, what string) *progressbar.ProgressBar {
	f, ok := p.err.(*os.File)
	visible := false
	if ok {
		if st, err := f.Stat(); err == nil {
			visible = st.Mode()&os.ModeCharDevice != 0
		}
	}
	return progressbar.NewOptions(total,
		progressbar.OptionSetWriter(p.err), progressbar.OptionSetDescription(what), progressbar.OptionSetVisibility(visible),
		progressbar.OptionShowCount(), progressbar.OptionClearOnFinish(), progressbar.OptionThrottle(100e6))
}
