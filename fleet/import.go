package fleet

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"tianfu/fault"
	"tianfu/unit"
)

// Bounds of an import.
const (
	MaxImportBytes = 256 << 20
	maxImportNodes = 200_000
)

// Import is a fleet as another system describes it: what its world file will
// say, and notes on what could not be taken over.
type Import struct {
	Name  string
	Nodes []Imported
	Notes []string
}

// Imported is one node of an import. What the source does not say is empty.
type Imported struct {
	Name         string
	SKU          string // a known SKU; empty = by the figures below
	CPU          unit.MilliCPU
	Memory       unit.MiB
	Model        string // as the source spells it
	Accelerators int
	Place        Place
	Segment, Pod string
	Health       Health
	Cordoned     bool
	Drain        bool
	Reason       string
}

// note keeps a remark once.
func (im *Import) note(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(im.Notes, text) && len(im.Notes) < 100 {
		im.Notes = append(im.Notes, text)
	}
}

// tooMany says that a source has more nodes than an import takes.
func (im *Import) tooMany(where string) error {
	if len(im.Nodes) < maxImportNodes {
		return nil
	}
	return fault.New(fault.Invalid, where, fmt.Sprintf("more than %d nodes", maxImportNodes), "import the centre in parts")
}

// KnownModel returns the catalogue's name of an accelerator as device plugins
// and resource managers spell it: case, underscores and the maker's name in
// front do not matter.
func (c *Catalogue) KnownModel(name string) (Model, bool) {
	plain := strings.NewReplacer("_", "-", " ", "-").Replace(strings.TrimSpace(name))
	tries := []string{name, plain}
	for _, maker := range []string{"nvidia-", "tesla-", "geforce-", "amd-instinct-", "amd-", "huawei-", "cambricon-", "hygon-"} {
		if rest, ok := strings.CutPrefix(strings.ToLower(plain), maker); ok {
			tries = append(tries, rest)
			if rest, ok = strings.CutPrefix(rest, "tesla-"); ok {
				tries = append(tries, rest)
			}
		}
	}
	for _, t := range tries {
		if a := c.Accelerator(Model(t)); a != nil {
			return a.Name, true
		}
	}
	return "", false
}

// worldText is a world file as written; the keys are those of ParseWorld.
type worldText struct {
	Name      string         `yaml:"name"`
	Catalogue *catalogueText `yaml:"catalogue,omitempty"`
	Sites     []siteText     `yaml:"sites"`
	Network   *networkText   `yaml:"network,omitempty"`
	Nodes     []nodeText     `yaml:"nodes"`
	State     []stateText    `yaml:"state,omitempty"`
}

type catalogueText struct {
	Accelerators []acceleratorText `yaml:"accelerators,omitempty"`
	SKUs         []skuText         `yaml:"skus,omitempty"`
}

type acceleratorText struct {
	Name  string `yaml:"name"`
	Maker string `yaml:"maker"`
	Stack string `yaml:"stack"`
	Note  string `yaml:"note"`
}

type skuText struct {
	Name        string `yaml:"name"`
	VCPU        string `yaml:"vcpu"`
	Memory      string `yaml:"memory"`
	Accelerator string `yaml:"accelerator,omitempty"`
}

type areaText struct {
	Name      string     `yaml:"name"`
	Buildings []areaText `yaml:"buildings,omitempty"`
	Halls     []areaText `yaml:"halls,omitempty"`
	Rows      []areaText `yaml:"rows,omitempty"`
	Racks     []areaText `yaml:"racks,omitempty"`
}

type siteText struct {
	TimeZone string `yaml:"time_zone"`
	areaText `yaml:",inline"`
}

type networkText struct {
	Pods []podText `yaml:"pods"`
}

type podText struct {
	Name     string     `yaml:"name"`
	Segments []areaText `yaml:"segments"`
}

type nodeText struct {
	Name    string `yaml:"name"`
	SKU     string `yaml:"sku"`
	Place   string `yaml:"place"`
	Segment string `yaml:"segment,omitempty"`
}

type stateText struct {
	Nodes    string `yaml:"nodes"`
	Health   string `yaml:"health,omitempty"`
	Cordoned bool   `yaml:"cordoned,omitempty"`
	Drain    bool   `yaml:"drain,omitempty"`
	Reason   string `yaml:"reason,omitempty"`
}

// World renders the import as a world file. Nodes of one size become one SKU;
// accelerators that the catalogue does not know are declared without figures,
// with a note. Time zones are not known to any source: zone is written to every
// site.
func (im *Import) World(c *Catalogue, zone string) ([]byte, error) {
	if len(im.Nodes) == 0 {
		return nil, fault.New(fault.Invalid, im.Name, "describes no node", "check the file and --from")
	}
	w := worldText{Name: im.Name}
	skus := map[skuText]string{}
	for i := range im.Nodes {
		n := &im.Nodes[i]
		sku, err := im.skuOf(c, n, &w, skus)
		if err != nil {
			return nil, err
		}
		if n.Place.Site == "" {
			n.Place.Site = "site1"
		}
		w.place(n.Place, zone)
		segment := w.segment(n)
		w.Nodes = append(w.Nodes, nodeText{Name: n.Name, SKU: sku, Place: n.Place.path(), Segment: segment})
		if n.Health != Healthy || n.Cordoned || n.Drain {
			s := stateText{Nodes: n.Name, Cordoned: n.Cordoned, Drain: n.Drain, Reason: n.Reason}
			if n.Health != Healthy {
				s.Health = n.Health.String()
			}
			w.State = append(w.State, s)
		}
	}
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := e.Encode(&w); err != nil {
		return nil, err
	}
	return b.Bytes(), e.Close()
}

// skuOf returns the SKU of a node, declaring one for its size when needed.
func (im *Import) skuOf(c *Catalogue, n *Imported, w *worldText, skus map[skuText]string) (string, error) {
	if n.SKU != "" {
		return n.SKU, nil
	}
	switch {
	case n.CPU <= 0:
		return "", fault.New(fault.Invalid, "node "+n.Name, "has no CPUs", "check the source")
	case n.Memory <= 0:
		return "", fault.New(fault.Invalid, "node "+n.Name, "has no memory", "check the source")
	case n.Accelerators > MaxDevices:
		return "", fault.New(fault.Invalid, "node "+n.Name, fmt.Sprintf("has %d accelerators", n.Accelerators), fmt.Sprintf("a node may carry %d; slices are declared as partitions, not as devices", MaxDevices))
	}
	s := skuText{VCPU: n.CPU.String(), Memory: n.Memory.String()}
	name := fmt.Sprintf("%sc-%s", s.VCPU, s.Memory)
	if n.Accelerators > 0 {
		model := im.modelOf(c, n, w)
		s.Accelerator = fmt.Sprintf("%sx%d", model, n.Accelerators)
		name = fmt.Sprintf("%s-%d-%s", strings.ToLower(model), n.Accelerators, name)
	}
	if known, ok := skus[s]; ok {
		return known, nil
	}
	skus[s] = name
	s.Name = name
	w.catalogue().SKUs = append(w.catalogue().SKUs, s)
	return name, nil
}

func (im *Import) modelOf(c *Catalogue, n *Imported, w *worldText) string {
	if m, ok := c.KnownModel(n.Model); ok {
		return string(m)
	}
	name := n.Model
	if name == "" {
		name = "unknown-accelerator"
	}
	// A trailing xN would read as a count.
	name = strings.NewReplacer(" ", "-", "x", "X").Replace(name)
	for _, a := range w.catalogue().Accelerators {
		if a.Name == name {
			return name
		}
	}
	im.note("accelerator %q is not in the catalogue; it is declared without figures: add memory, peak, idle and full under catalogue: accelerators:", name)
	w.catalogue().Accelerators = append(w.catalogue().Accelerators, acceleratorText{Name: name, Maker: "unknown", Stack: "other", Note: "imported; figures missing"})
	return name
}

func (w *worldText) catalogue() *catalogueText {
	if w.Catalogue == nil {
		w.Catalogue = &catalogueText{}
	}
	return w.Catalogue
}

// path joins the levels of a place that are there.
func (p Place) path() string {
	var parts []string
	for _, s := range []string{p.Site, p.Building, p.Hall, p.Row, p.Rack} {
		if s != "" {
			parts = append(parts, s)
		}
	}
	return strings.Join(parts, "/")
}

// place declares the areas of a place.
func (w *worldText) place(p Place, zone string) {
	k := slices.IndexFunc(w.Sites, func(s siteText) bool { return s.Name == p.Site })
	if k < 0 {
		k = len(w.Sites)
		w.Sites = append(w.Sites, siteText{TimeZone: zone, areaText: areaText{Name: p.Site}})
	}
	in := &w.Sites[k].areaText
	for _, level := range []struct {
		name string
		of   func(*areaText) *[]areaText
	}{
		{p.Building, func(a *areaText) *[]areaText { return &a.Buildings }}, {p.Hall, func(a *areaText) *[]areaText { return &a.Halls }},
		{p.Row, func(a *areaText) *[]areaText { return &a.Rows }}, {p.Rack, func(a *areaText) *[]areaText { return &a.Racks }},
	} {
		if level.name == "" {
			continue
		}
		list := level.of(in)
		k := slices.IndexFunc(*list, func(a areaText) bool { return a.Name == level.name })
		if k < 0 {
			k = len(*list)
			*list = append(*list, areaText{Name: level.name})
		}
		in = &(*list)[k]
	}
}

// segment declares the segment of a node and returns its name.
func (w *worldText) segment(n *Imported) string {
	if n.Segment == "" {
		return ""
	}
	pod := n.Pod
	if pod == "" {
		pod = n.Place.Site
	}
	if w.Network == nil {
		w.Network = &networkText{}
	}
	k := slices.IndexFunc(w.Network.Pods, func(p podText) bool { return p.Name == pod })
	if k < 0 {
		k = len(w.Network.Pods)
		w.Network.Pods = append(w.Network.Pods, podText{Name: pod})
	}
	p := &w.Network.Pods[k]
	if !slices.ContainsFunc(p.Segments, func(s areaText) bool { return s.Name == n.Segment }) {
		p.Segments = append(p.Segments, areaText{Name: n.Segment})
	}
	return n.Segment
}
