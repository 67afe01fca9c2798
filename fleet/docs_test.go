package fleet

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func doc(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "docs", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// example returns the indented block of a page that begins with a line.
func example(t *testing.T, page, first string) string {
	t.Helper()
	_, rest, ok := strings.Cut(page, "\n    "+first+"\n")
	if !ok {
		t.Fatalf("no example begins with %q", first)
	}
	out := first + "\n"
	for line := range strings.Lines(rest) {
		code, ok := strings.CutPrefix(line, "    ")
		if !ok {
			break
		}
		out += code
	}
	return out
}

// TestDocsExamples: the examples of the pages are accepted without a warning.
func TestDocsExamples(t *testing.T) {
	world := example(t, doc(t, "world.md"), "name: small")
	own := "name: own\nsites: [{name: s, time_zone: UTC}]\nnodes: [{name: n, sku: x1-8, place: s}]\n" + example(t, doc(t, "catalogue.md"), "catalogue:")
	for _, text := range []string{world, own} {
		w, warnings, err := ParseWorld("docs", []byte(text))
		if err != nil || len(warnings) > 0 {
			t.Errorf("%v %v\n%s", err, warnings, text)
		} else if len(w.Fleet().Nodes) == 0 || len(w.Fleet().Traits) == 0 {
			t.Errorf("no nodes or accelerators in\n%s", text)
		}
	}
}

// TestDocsNameEveryKey: no key of a world file is left out of the pages.
func TestDocsNameEveryKey(t *testing.T) {
	pages := map[string][]any{
		"world.md":     {document{}, Site{}, Signal{}, Building{}, Hall{}, Row{}, Rack{}, Location{}, Network{}, Pod{}, Segment{}, Distances{}, Group{}, Condition{}, Span{}, PowerBands{}, Battery{}, Cap{}, PowerRules{}, Sleep{}, Budget{}},
		"meters.md":    {Meter{}, MeterChannel{}},
		"catalogue.md": {rawCatalogue{}, Accelerator{}, CPU{}, Chassis{}, Part{}, SKU{}, Profile{}, Figure[struct{}]{}},
	}
	for name, types := range pages {
		text := doc(t, name)
		words := map[string]bool{}
		for _, w := range strings.FieldsFunc(text, func(r rune) bool { return !(r >= 'a' && r <= 'z' || r == '_') }) {
			words[w] = true
		}
		for _, v := range types {
			typ := reflect.TypeOf(v)
			for i := range typ.NumField() {
				if f := typ.Field(i); f.IsExported() && !words[snake(f.Name)] {
					t.Errorf("docs/%s says nothing of %s of a %s", name, snake(f.Name), typ.Name())
				}
			}
		}
	}
}
