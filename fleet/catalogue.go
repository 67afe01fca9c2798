package fleet

import (
	_ "embed" // the built-in catalogue
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"

	"tianfu/fault"
	"tianfu/unit"
)

//go:embed catalogue.yaml
var builtIn []byte

// Accelerator is a model of GPU, NPU or other device counted on its own. Peaks
// are dense.
type Accelerator struct {
	at
	Name          Model
	Maker         string
	Aliases       []string // as device plugins, resource managers and traces spell it
	Assumed       string   // "as A10": the maker or the trace discloses nothing
	Stack         string   // software stack: cuda, cann, neuware, dtk, ppu
	Form          string   // slot it fits: sxm, oam or pcie
	Precisions    []string // number formats it computes in; those with a peak are added
	Peak          map[string]Figure[unit.TFLOPS]
	Memory        Figure[unit.MiB]
	MemoryKind    string
	Bandwidth     Figure[unit.GBps] // of its memory
	Link          string            // scale-up link
	LinkBandwidth Figure[unit.GBps]
	Group         int // devices joined by the scale-up link
	Bus           string
	Idle, Full    Figure[unit.Watts]
	Price         Figure[unit.Yuan]
	ComputeSlices int // what one device divides into in hardware; 0 = it does not
	MemorySlices  int
	// PartitionSource is where slices and profiles come from; empty = Source.
	PartitionSource string
	Profiles        []Profile
	Note            string
	Source          string
	Confidence      Confidence
}

// CPU is a model of processor package.
type CPU struct {
	at
	Name       string
	Maker      string
	Aliases    []string
	Arch       string // amd64 or arm64
	Socket     string
	Cores      int
	Threads    int // logical CPUs per core
	Idle, Full Figure[unit.Watts]
	Price      Figure[unit.Yuan]
	Note       string
	Source     string
	Confidence Confidence
}

// Chassis is a server without its CPUs, memory, cards and supplies: board,
// fans, frame. Zero counts of slots mean that it has none.
type Chassis struct {
	at
	Name             string
	Maker            string
	Height           int // rack units of 44.45 mm
	Socket           string
	Sockets          int
	MemorySlots      int
	AcceleratorForm  string
	AcceleratorSlots int
	CardSlots        int // for network cards
	DiskBays         int
	SupplyBays       int
	Idle, Full       Figure[unit.Watts] // fans, board, switches
	Price            Figure[unit.Yuan]
	Note             string
	Source           string
	Confidence       Confidence
}

// Part is a memory module, network card, disk or power supply.
type Part struct {
	at
	Name       string
	Kind       string   // dimm, nic, disk or psu
	Size       unit.MiB // of a dimm or disk
	Bandwidth  Figure[unit.GBps]
	Rated      Figure[unit.Watts] // of a psu, to the load
	Efficiency float64            // of a psu at half load: load watts per wall watt
	Idle, Full Figure[unit.Watts] // drawn; 0 for a psu, whose loss is its efficiency
	Price      Figure[unit.Yuan]
	Note       string
	Source     string
	Confidence Confidence
}

// Catalogue is the hardware known to one run: what is built in, changed by what
// a world file declares.
type Catalogue struct {
	Accelerators []Accelerator
	CPUs         []CPU
	Chassis      []Chassis
	Parts        []Part
	SKUs         []SKU

	accelerators, cpus, chassis, parts, skus map[string]int // by name and alias
}

// rawCatalogue keeps entries undecoded until it is known what they change.
type rawCatalogue struct {
	Accelerators, CPUs, Chassis, Parts, SKUs []*yaml.Node
}

// BuiltIn returns the catalogue in the binary. It fails only by a defect of
// the table itself, which a test would have found.
func BuiltIn() (*Catalogue, error) {
	d := &decoder{file: "built-in catalogue"}
	var raw rawCatalogue
	d.parse(builtIn, &raw)
	c := newCatalogue()
	c.merge(d, &raw, "", NoConfidence)
	c.forgetLines()
	return c, d.err()
}

// forgetLines marks all entries as of no file, so that nobody is sent to a
// line of a file that they do not have.
func (c *Catalogue) forgetLines() {
	for i := range c.Accelerators {
		c.Accelerators[i].line = 0
	}
	for i := range c.CPUs {
		c.CPUs[i].line = 0
	}
	for i := range c.Chassis {
		c.Chassis[i].line = 0
	}
	for i := range c.Parts {
		c.Parts[i].line = 0
	}
	for i := range c.SKUs {
		c.SKUs[i].line = 0
	}
}

func newCatalogue() *Catalogue {
	return &Catalogue{
		accelerators: map[string]int{}, cpus: map[string]int{}, chassis: map[string]int{},
		parts: map[string]int{}, skus: map[string]int{},
	}
}

// merge adds entries or changes those of the same name, figure by figure.
// source and mark are for figures that give none; both empty means that every
// entry must.
func (c *Catalogue) merge(d *decoder, raw *rawCatalogue, source string, mark Confidence) {
	mergeInto(d, raw.Accelerators, &c.Accelerators, c.accelerators, source, mark)
	mergeInto(d, raw.CPUs, &c.CPUs, c.cpus, source, mark)
	mergeInto(d, raw.Chassis, &c.Chassis, c.chassis, source, mark)
	mergeInto(d, raw.Parts, &c.Parts, c.parts, source, mark)
	mergeInto(d, raw.SKUs, &c.SKUs, c.skus, source, mark)
	if len(d.errs) == 0 {
		c.check(d)
	}
}

// entry is what every kind of catalogue entry can say of itself.
type entry interface {
	key() string
	aliases() []string
	origin() (*string, *Confidence)
	Line() int
}

func (a *Accelerator) key() string                    { return string(a.Name) }
func (a *Accelerator) aliases() []string              { return a.Aliases }
func (a *Accelerator) origin() (*string, *Confidence) { return &a.Source, &a.Confidence }
func (a *CPU) key() string                            { return a.Name }
func (a *CPU) aliases() []string                      { return a.Aliases }
func (a *CPU) origin() (*string, *Confidence)         { return &a.Source, &a.Confidence }
func (a *Chassis) key() string                        { return a.Name }
func (a *Chassis) aliases() []string                  { return nil }
func (a *Chassis) origin() (*string, *Confidence)     { return &a.Source, &a.Confidence }
func (a *Part) key() string                           { return a.Name }
func (a *Part) aliases() []string                     { return nil }
func (a *Part) origin() (*string, *Confidence)        { return &a.Source, &a.Confidence }
func (a *SKU) key() string                            { return a.Name }
func (a *SKU) aliases() []string                      { return a.Aliases }
func (a *SKU) origin() (*string, *Confidence)         { return &a.Source, &a.Confidence }

func mergeInto[T any, P interface {
	*T
	entry
}](d *decoder, nodes []*yaml.Node, list *[]T, index map[string]int, source string, mark Confidence) {
	seen := map[string]bool{}
	for _, n := range nodes {
		if n == nil {
			continue
		}
		name := nameOf(n)
		if name == "" {
			d.fail(n.Line, "begin it with name:", "an entry of the catalogue needs a name")
			continue
		}
		if seen[name] {
			d.fail(n.Line, "remove one of them", "%q is declared twice", name)
			continue
		}
		seen[name] = true
		var e T
		i, known := index[strings.ToLower(name)]
		if known {
			e = (*list)[i]
		}
		from, confidence := P(&e).origin()
		*from, *confidence = "", NoConfidence
		d.decode(n, valueOf(&e))
		from, confidence = P(&e).origin()
		if *from == "" && source != "" {
			*from = fmt.Sprintf("%s:%d", source, n.Line)
		}
		if *confidence == NoConfidence {
			*confidence = mark
		}
		if *confidence == NoConfidence || *from == "" {
			d.fail(n.Line, "add both", "%q gives no source or no confidence", name)
		}
		settle(&e, *from, *confidence)
		if known {
			if (*list)[i] = e; P(&e).key() != name {
				d.fail(n.Line, "use the name "+P(&(*list)[i]).key(), "%q is only another name of a known entry", name)
			}
		} else {
			i = len(*list)
			*list = append(*list, e)
		}
		for _, alias := range append([]string{name}, P(&e).aliases()...) {
			if j, taken := index[strings.ToLower(alias)]; taken && j != i {
				d.fail(n.Line, "choose another", "the name %q already belongs to %q", alias, P(&(*list)[j]).key())
				continue
			}
			index[strings.ToLower(alias)] = i
		}
	}
}

// nameOf reads the name of an undecoded entry.
func nameOf(n *yaml.Node) string {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == "name" && n.Content[i+1].Kind == yaml.ScalarNode {
			return n.Content[i+1].Value
		}
	}
	return ""
}

// Accelerator returns a model by name or alias, or nil.
func (c *Catalogue) Accelerator(name Model) *Accelerator {
	return find(c.Accelerators, c.accelerators, string(name))
}

// CPU returns a processor by name or alias, or nil.
func (c *Catalogue) CPU(name string) *CPU { return find(c.CPUs, c.cpus, name) }

// ChassisNamed returns a chassis by name, or nil.
func (c *Catalogue) ChassisNamed(name string) *Chassis { return find(c.Chassis, c.chassis, name) }

// Part returns a memory module, card, disk or supply by name, or nil.
func (c *Catalogue) Part(name string) *Part { return find(c.Parts, c.parts, name) }

// SKU returns a server by name or alias, or nil.
func (c *Catalogue) SKU(name string) *SKU { return find(c.SKUs, c.skus, name) }

func find[T any](list []T, index map[string]int, name string) *T {
	if i, ok := index[strings.ToLower(name)]; ok {
		return &list[i]
	}
	return nil
}

// notFound is the error for a name that the catalogue lacks.
func notFound(what, name, list string) error {
	return fault.New(fault.NotFound, "", fmt.Sprintf("the catalogue knows no %s %q", what, name),
		fmt.Sprintf("see %q, or declare it under catalogue: in the world file", "tianfu catalogue list "+list))
}
