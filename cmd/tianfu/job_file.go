package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"tianfu/fault"
	"tianfu/httpapi"
)

// maxJobFile bounds a job file.
const maxJobFile = 12 << 20

// readJobFile reads a job in YAML or JSON; unknown keys are errors that name
// the line.
func readJobFile(name string) (*httpapi.JobBody, error) {
	data, err := readBounded(name, maxJobFile)
	if err != nil {
		return nil, err
	}
	if len(data) > maxJobFile {
		return nil, fault.New(fault.Invalid, name, "is larger than 12 MiB", "mount a data set instead of sending files")
	}
	return parseJobFile(name, data)
}

func parseJobFile(name string, data []byte) (*httpapi.JobBody, error) {
	const fix = "docs/jobs.md shows a job file; tianfu job schema has its keys"
	var n yaml.Node
	if err := yaml.Unmarshal(data, &n); err != nil {
		return nil, fault.New(fault.Invalid, name, "is not YAML: "+err.Error(), fix)
	}
	if len(n.Content) == 0 {
		return nil, fault.New(fault.Invalid, name, "is empty", fix)
	}
	if n.Content[0].Kind != yaml.MappingNode {
		return nil, fault.New(fault.Invalid, name+":"+strconv.Itoa(n.Content[0].Line), "is no job: keys such as name: and command: are wanted here", fix)
	}
	k := keyCheck{file: name, listed: map[reflect.Type]bool{}}
	k.value(n.Content[0], reflect.TypeFor[httpapi.JobBody](), "")
	if err := k.err(); err != nil {
		return nil, err
	}
	var plain any
	if err := n.Decode(&plain); err != nil {
		return nil, fault.New(fault.Invalid, name, err.Error(), fix)
	}
	text, err := json.Marshal(plain)
	if err != nil {
		return nil, fault.New(fault.Invalid, name, "has keys that are not text", fix)
	}
	b := &httpapi.JobBody{}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(b); err != nil {
		return nil, fault.New(fault.Invalid, name+lineOf(n.Content[0], err), wrongKind(err), fix)
	}
	whole := *b
	if whole.Tenant == "" {
		whole.Tenant = "default" // the centre puts the token's there
	}
	if _, err := whole.Spec(); err != nil {
		return nil, fault.Wrap(err, name, strings.TrimSpace("job "+b.Name))
	}
	return b, nil
}

// maxKeyFaults bounds how many wrong keys of a file are shown at once.
const maxKeyFaults = 20

// keyCheck holds the keys of a document to the fields of a type and keeps those
// that are none, each with its line.
type keyCheck struct {
	file    string
	faults  []error
	dropped int                   // beyond maxKeyFaults
	listed  map[reflect.Type]bool // whose keys a fault before has listed
}

func (k *keyCheck) fail(line int, what, fix string) {
	if len(k.faults) == maxKeyFaults {
		k.dropped++
		return
	}
	k.faults = append(k.faults, fault.New(fault.Invalid, fmt.Sprintf("%s:%d", k.file, line), what, fix))
}

// err returns all faults as one, each on its own line.
func (k *keyCheck) err() error {
	if k.dropped > 0 {
		return errors.Join(append(k.faults, fault.Invalidf(k.file, "%d more wrong keys are not shown", k.dropped))...)
	}
	return errors.Join(k.faults...)
}

func (k *keyCheck) value(n *yaml.Node, t reflect.Type, at string) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case n.Kind == yaml.AliasNode:
	case t.Kind() == reflect.String && n.Kind == yaml.ScalarNode && n.Tag != "!!null":
		n.Tag = "!!str" // cpu: 4 is what "4" is, and so is PORT: 8080
	case t.Kind() == reflect.Map && n.Kind == yaml.MappingNode:
		for i := 1; i < len(n.Content); i += 2 {
			k.value(n.Content[i], t.Elem(), join(at, n.Content[i-1].Value))
		}
	case t.Kind() == reflect.Slice && n.Kind == yaml.SequenceNode:
		for i, c := range n.Content {
			k.value(c, t.Elem(), fmt.Sprintf("%s[%d]", at, i))
		}
	case t.Kind() == reflect.Struct && n.Kind == yaml.MappingNode:
		known := fieldsOf(t)
		seen := map[string]int{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := n.Content[i]
			of, ok := known[key.Value]
			switch {
			case !ok:
				k.fail(key.Line, "unknown key "+strconv.Quote(join(at, key.Value)), k.suggest(key.Value, t, known))
				continue
			case seen[key.Value] > 0:
				k.fail(key.Line, fmt.Sprintf("the key %q is there already, in line %d", join(at, key.Value), seen[key.Value]), "keep one")
				continue
			}
			seen[key.Value] = key.Line
			k.value(n.Content[i+1], of, join(at, key.Value))
		}
	}
}

func join(at, key string) string {
	if at == "" {
		return key
	}
	return at + "." + key
}

// fieldsOf lists the keys of a type as JSON knows them.
func fieldsOf(t reflect.Type) map[string]reflect.Type {
	out := map[string]reflect.Type{}
	if t == reflect.TypeFor[httpapi.ArrayBody]() {
		for _, key := range []string{"first", "count", "parallel"} {
			out[key] = reflect.TypeFor[int]()
		}
		return out
	}
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous && name == "":
			for key, of := range fieldsOf(f.Type) {
				out[key] = of
			}
		case name != "" && name != "-":
			out[name] = f.Type
		}
	}
	return out
}

// suggest names the known key that is nearest, or all of a type, once.
func (k *keyCheck) suggest(key string, of reflect.Type, known map[string]reflect.Type) string {
	keys := slices.Sorted(maps.Keys(known))
	switch near := nearest(key, keys); {
	case near != "":
		return "did you mean " + near + "?"
	case k.listed[of]:
		return ""
	}
	k.listed[of] = true
	return "known here: " + strings.Join(keys, ", ")
}

// wrongKind says in plain words what a JSON error is about.
func wrongKind(err error) string {
	t, ok := errors.AsType[*json.UnmarshalTypeError](err)
	if !ok {
		return strings.TrimPrefix(err.Error(), "json: ")
	}
	found := map[string]string{"string": "text", "array": "a list", "object": "a block of keys", "bool": "true or false"}[t.Value]
	if found == "" {
		found = "a " + t.Value // number, or number and its digits
	}
	wanted := "a block of keys"
	switch t.Type.Kind() {
	case reflect.String:
		wanted = "text"
	case reflect.Slice, reflect.Array:
		wanted = "a list"
	case reflect.Bool:
		wanted = "true or false"
	case reflect.Int, reflect.Int32, reflect.Int64, reflect.Uint32, reflect.Uint64:
		wanted = "a whole number"
	case reflect.Float64:
		wanted = "a number"
	}
	keys := slices.DeleteFunc(strings.Split(t.Field, "."), func(key string) bool { return strings.ToLower(key) != key }) // of types within types
	return strings.Join(keys, ".") + ": " + found + " where " + wanted + " is wanted"
}

// lineOf finds the line of the key that a JSON error is about.
func lineOf(n *yaml.Node, err error) string {
	t, ok := errors.AsType[*json.UnmarshalTypeError](err)
	if !ok {
		return ""
	}
	for _, key := range strings.Split(t.Field, ".") {
		for n.Kind == yaml.SequenceNode && len(n.Content) > 0 {
			n = n.Content[0]
		}
		for i := 0; i+1 < len(n.Content) && n.Kind == yaml.MappingNode; i += 2 {
			if n.Content[i].Value == key {
				n = n.Content[i+1]
				break
			}
		}
	}
	return ":" + strconv.Itoa(n.Line)
}

func (p *program) jobSchema() *cobra.Command {
	return only(&cobra.Command{
		Use: "schema", Short: "Print the JSON Schema of a job file, for editors and checks", Args: cobra.NoArgs,
		Long:    "Print the JSON Schema of a job file. A centre serves the same at /schemas/job.json.",
		Example: "  tianfu job schema > job.schema.json\n  # in a job file, for editors:\n  # yaml-language-server: $schema=http://127.0.0.1:8420/schemas/job.json",
		RunE: func(*cobra.Command, []string) error {
			text, err := httpapi.JobSchema()
			if err != nil {
				return err
			}
			if p.format == "yaml" {
				return writeYAML(p.out, text)
			}
			_, err = fmt.Fprintf(p.out, "%s\n", text)
			return err
		},
	}, "json", "yaml")
}

func (p *program) dataset() *cobra.Command {
	r := &remote{}
	c := &cobra.Command{Use: "dataset", Short: "Data sets that jobs may mount by name", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	r.register(c)
	c.AddCommand(&cobra.Command{
		Use: "list", Short: "List the data sets that your jobs may mount", Args: cobra.NoArgs, Example: "  tianfu dataset list",
		RunE: p.asking(r, func(c *cobra.Command, client *httpapi.Client, _ []string) error {
			list, err := client.Datasets(c.Context())
			if err != nil {
				return err
			}
			t := &table{header: []string{"DATASET", "ACCESS", "PATH", "TENANTS"}}
			for _, d := range list {
				access := "read"
				if d.Writable {
					access = "read, write"
				}
				t.add(d.Name, access, d.Path, strings.Join(d.Tenants, " "))
			}
			if len(list) == 0 {
				t.foot = "no data sets for you; an operator declares them under datasets: in the world file"
			}
			return p.print(list, t)
		}),
	})
	return c
}
