package fleet

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"tianfu/fault"
)

// worldText is a world file as written; the keys are those of ParseWorld.
type worldText struct {
	Name      string         `yaml:"name"`
	Catalogue *catalogueText `yaml:"catalogue,omitempty"`
	Sites     []*areaText    `yaml:"sites"`
	Network   *networkText   `yaml:"network,omitempty"`
	Nodes     []nodeText     `yaml:"nodes"`
	State     []stateText    `yaml:"state,omitempty"`

	areas    map[string]*areaText // by path
	pods     map[string]*podText
	segments map[string]string // pod by segment
	skus     map[skuText]string
	used     map[string]bool   // names of SKUs
	unknown  map[string]string // accelerators that the catalogue lacks, by name in lower case
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
	Name      string      `yaml:"name"`
	TimeZone  string      `yaml:"time_zone,omitempty"`
	Buildings []*areaText `yaml:"buildings,omitempty"`
	Halls     []*areaText `yaml:"halls,omitempty"`
	Rows      []*areaText `yaml:"rows,omitempty"`
	Racks     []*areaText `yaml:"racks,omitempty"`
}

type networkText struct {
	Pods []*podText `yaml:"pods"`
}

type podText struct {
	Name     string        `yaml:"name"`
	Segments []segmentText `yaml:"segments"`
}

type segmentText struct {
	Name string `yaml:"name"`
}

type nodeText struct {
	Name     string `yaml:"name"`
	SKU      string `yaml:"sku"`
	Place    string `yaml:"place"`
	Segment  string `yaml:"segment,omitempty"`
	Position int    `yaml:"position,omitempty"`
	Serial   string `yaml:"serial,omitempty"`
}

type stateText struct {
	Nodes    string `yaml:"nodes"`
	Devices  []int  `yaml:"devices,omitempty,flow"`
	Health   string `yaml:"health,omitempty"`
	Cordoned bool   `yaml:"cordoned,omitempty"`
	Drain    bool   `yaml:"drain,omitempty"`
	Reason   string `yaml:"reason,omitempty"`
}

// World renders the import as a world file. Nodes of one size become one SKU;
// accelerators that the catalogue does not know are declared without figures,
// with a note on what to add; neighbours that differ only by a number become
// one pattern. Time zones are not known to any source: zone is written to every
// site. What it returns is accepted by ParseWorld when zone is known.
func (im *Import) World(c *Catalogue, zone string) ([]byte, error) {
	if len(im.Nodes) == 0 {
		return nil, fault.New(fault.Invalid, im.Name, "describes no node", "check the file and --from")
	}
	w := &worldText{Name: im.Name, areas: map[string]*areaText{}, pods: map[string]*podText{}, segments: map[string]string{},
		skus: map[skuText]string{}, used: map[string]bool{}, unknown: map[string]string{}}
	run := &numbered{}
	for i := range im.Nodes {
		n := &im.Nodes[i]
		sku, err := im.skuOf(c, n, w)
		if err != nil {
			return nil, err
		}
		if n.Place.Site == "" {
			n.Place.Site = "site1"
		}
		text := nodeText{SKU: sku, Place: w.place(n.Place, zone), Segment: w.segment(im, n), Position: n.Position, Serial: n.Serial}
		if !run.extend(n.Name, &text) {
			w.Nodes = run.flush(w.Nodes)
			run.begin(n.Name, text)
		}
		w.state(im, n)
	}
	w.Nodes = run.flush(w.Nodes)
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := e.Encode(w); err != nil {
		return nil, fault.Wrap(err, im.Name, "write the world file")
	}
	return b.Bytes(), e.Close()
}

// state declares what is the matter with a node. Devices that are broken
// without a name are taken from the end.
func (w *worldText) state(im *Import, n *Imported) {
	if n.Health != Healthy || n.Cordoned || n.Drain {
		s := stateText{Nodes: n.Name, Cordoned: n.Cordoned, Drain: n.Drain, Reason: n.Reason}
		if n.Health != Healthy {
			s.Health = n.Health.String()
		}
		w.State = append(w.State, s)
	}
	if broken := min(n.Broken, n.Accelerators); broken > 0 {
		s := stateText{Nodes: n.Name, Health: Failed.String(), Reason: fmt.Sprintf("%d of %d devices were not allocatable", broken, n.Accelerators)}
		for k := n.Accelerators - broken; k < n.Accelerators; k++ {
			s.Devices = append(s.Devices, k)
		}
		w.State = append(w.State, s)
		im.note("node %s has broken accelerators: %d of %d; the source does not say which, the last are marked: correct devices: under state:", n.Name, broken, n.Accelerators)
	}
}

// skuOf returns the SKU of a node, declaring one for its size when needed.
func (im *Import) skuOf(c *Catalogue, n *Imported, w *worldText) (string, error) {
	if n.SKU != "" {
		return n.SKU, nil
	}
	switch {
	case n.CPU <= 0:
		return "", fault.New(fault.Invalid, n.Where+": "+nodeWord(n.Name), "has no CPUs", "check the source")
	case n.Memory <= 0:
		return "", fault.New(fault.Invalid, n.Where+": "+nodeWord(n.Name), "has no memory", "check the source")
	case n.Accelerators > MaxDevices:
		return "", fault.New(fault.Invalid, n.Where+": "+nodeWord(n.Name), fmt.Sprintf("has %d accelerators", n.Accelerators),
			fmt.Sprintf("a node may carry %d; where a device plug-in counts shares of a device, give its real count", MaxDevices))
	}
	s := skuText{VCPU: n.CPU.String(), Memory: n.Memory.String()}
	name := fmt.Sprintf("%sc-%s", s.VCPU, s.Memory)
	if n.Accelerators > 0 {
		model := im.modelOf(c, n, w)
		s.Accelerator = fmt.Sprintf("%sx%d", model, n.Accelerators)
		name = fmt.Sprintf("%s-%d-%s", strings.ToLower(model), n.Accelerators, name)
	}
	if known, ok := w.skus[s]; ok {
		return known, nil
	}
	for base, k := name, 2; w.used[strings.ToLower(name)] || c.SKU(name) != nil; k++ {
		name = base + "-" + strconv.Itoa(k)
	}
	w.skus[s], w.used[strings.ToLower(name)] = name, true
	s.Name = name
	w.catalogue().SKUs = append(w.catalogue().SKUs, s)
	return name, nil
}

// modelOf returns the catalogue's name of a node's accelerators, declaring
// them when it has none.
func (im *Import) modelOf(c *Catalogue, n *Imported, w *worldText) string {
	if m, ok := im.Models[n.Model]; ok {
		return string(m)
	}
	if m, ok := c.KnownModel(n.Model); ok {
		return string(m)
	}
	name := n.Model
	if name == "" {
		for _, word := range n.Features {
			if m, ok := c.KnownModel(word); ok {
				return string(m)
			}
		}
		name = "unknown-accelerator"
	}
	// A trailing xN would read as a count.
	name = strings.NewReplacer(" ", "-", "x", "X").Replace(name)
	if known, ok := w.unknown[strings.ToLower(name)]; ok {
		return known
	}
	w.unknown[strings.ToLower(name)] = name
	a := acceleratorText{Name: name, Maker: n.Maker, Stack: n.Stack, Note: "imported; figures missing"}
	if a.Maker == "" {
		a.Maker = "unknown"
	}
	if a.Stack == "" {
		a.Stack = "other"
	}
	im.note("accelerator %q is not in the catalogue; it is declared without figures: add memory, peak, idle and full to it under catalogue: accelerators:, or name a known one with --model '%s=NAME' (see: tianfu catalogue list)",
		name, n.Model)
	w.catalogue().Accelerators = append(w.catalogue().Accelerators, a)
	return name
}

func (w *worldText) catalogue() *catalogueText {
	if w.Catalogue == nil {
		w.Catalogue = &catalogueText{}
	}
	return w.Catalogue
}

// place declares the areas of a place and returns its path.
func (w *worldText) place(p Place, zone string) string {
	path, in := p.Site, w.areas[p.Site]
	if in == nil {
		in = &areaText{Name: p.Site, TimeZone: zone}
		w.areas[path] = in
		w.Sites = append(w.Sites, in)
	}
	for k, name := range []string{p.Building, p.Hall, p.Row, p.Rack} {
		if name == "" {
			continue
		}
		path += "/" + name
		next := w.areas[path]
		if next == nil {
			next = &areaText{Name: name}
			w.areas[path] = next
			list := [...]*[]*areaText{&in.Buildings, &in.Halls, &in.Rows, &in.Racks}[k]
			*list = append(*list, next)
		}
		in = next
	}
	return path
}

// segment declares the segment of a node and returns its name. A segment
// belongs to the first pod that names it.
func (w *worldText) segment(im *Import, n *Imported) string {
	if n.Segment == "" {
		return ""
	}
	pod := n.Pod
	if pod == "" {
		pod = n.Place.Site
	}
	if first, ok := w.segments[n.Segment]; ok {
		if first != pod {
			im.note("segment %q is in pods %q and %q; the first is taken", n.Segment, first, pod)
		}
		return n.Segment
	}
	w.segments[n.Segment] = pod
	if w.Network == nil {
		w.Network = &networkText{}
	}
	p := w.pods[pod]
	if p == nil {
		p = &podText{Name: pod}
		w.pods[pod] = p
		w.Network.Pods = append(w.Network.Pods, p)
	}
	p.Segments = append(p.Segments, segmentText{Name: n.Segment})
	return n.Segment
}
