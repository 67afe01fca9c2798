package main

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/rivo/uniseg"
	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"tianfu/fault"
)

// table is the tabular form of a document, for people and for CSV.
type table struct {
	header []string
	rows   [][]string
	foot   string // a sentence below the table, for people
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
	if err := t.write(p.out); err != nil || t.foot == "" {
		return err
	}
	_, err := fmt.Fprintln(p.out, t.foot)
	return err
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

// only marks a command that prints in some of the formats, or, with none, writes
// what it writes as it is.
func only(c *cobra.Command, formats ...string) *cobra.Command {
	c.Annotations = map[string]string{onlyFormats: strings.Join(formats, " ")}
	return c
}

const onlyFormats = "formats"

// checkOutput refuses a format of -o that is none, or that a command does not
// print in, before any work is done.
func (p *program) checkOutput(c *cobra.Command, _ []string) error {
	if !slices.Contains([]string{"table", "json", "yaml", "csv"}, p.format) {
		return fault.New(fault.Invalid, "--output", fmt.Sprintf("%q is not a format", p.format), "use table, json, yaml or csv")
	}
	formats, some := c.Annotations[onlyFormats]
	list := strings.Fields(formats)
	switch {
	case !some || !c.Flags().Changed("output") || slices.Contains(list, p.format):
		return nil
	case len(list) == 0:
		return fault.New(fault.Invalid, "--output", fmt.Sprintf("%s writes what it writes as it is, not as %s", c.CommandPath(), p.format), "leave -o out")
	}
	return fault.New(fault.Invalid, "--output", fmt.Sprintf("%s prints %s, not %s", c.CommandPath(), strings.Join(list, " or "), p.format), "leave -o out, or use one of these")
}

// write lays the table out in columns, as wide as a terminal shows them: a Chinese
// character takes two. Columns of numbers align to the right.
// (text/tabwriter aligns all columns alike.)
func (t *table) write(out io.Writer) error {
	widths := make([]int, len(t.header))
	right := make([]bool, len(t.header))
	for i, h := range t.header {
		widths[i], right[i] = uniseg.StringWidth(h), true
		filled := false
		for _, r := range t.rows {
			if i >= len(r) || r[i] == "" {
				continue
			}
			filled = true
			widths[i] = max(widths[i], uniseg.StringWidth(r[i]))
			right[i] = right[i] && isNumber(r[i])
		}
		right[i] = right[i] && filled
	}
	w := bufio.NewWriter(out)
	for _, r := range append([][]string{t.header}, t.rows...) {
		var line strings.Builder
		for i, cell := range r {
			pad := strings.Repeat(" ", max(widths[min(i, len(widths)-1)]-uniseg.StringWidth(cell), 0))
			if i > 0 {
				line.WriteString("  ")
			}
			if i < len(right) && right[i] {
				line.WriteString(pad + cell)
			} else {
				line.WriteString(cell + pad)
			}
		}
		if _, err := fmt.Fprintln(w, strings.TrimRight(line.String(), " ")); err != nil {
			return err
		}
	}
	return w.Flush()
}

// isNumber says whether a cell is a plain number, with a sign or a per cent
// sign perhaps.
func isNumber(s string) bool {
	_, err := strconv.ParseFloat(strings.TrimSuffix(s, "%"), 64)
	return err == nil
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
