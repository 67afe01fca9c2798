package fleet

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"tianfu/fault"
	"tianfu/unit"
)

// Bounds of an import.
const (
	MaxImportBytes = 256 << 20
	maxImportNodes = 200_000
	maxNotes       = 100
)

// Import is a fleet as another system describes it: what its world file will
// say, and notes on what could not be taken over.
type Import struct {
	Name  string
	Nodes []Imported
	Notes []string
	// Models maps spellings of the source to accelerators of the catalogue,
	// where the operator knows better.
	Models map[string]Model

	seen map[string]bool // node names
}

// Imported is one node of an import. What the source does not say is empty.
type Imported struct {
	Where        string // file and line or item, for messages
	Name         string
	SKU          string // a known SKU; empty = by the figures below
	CPU          unit.MilliCPU
	Memory       unit.MiB
	Model        string   // as the source spells it
	Maker, Stack string   // of the accelerators, when their resource tells
	Features     []string // words that may name the model where Model is empty
	Accelerators int
	Broken       int // accelerators that the source counts as unhealthy, without saying which
	Place        Place
	Position     int // lowest rack unit; 0 = not said
	Serial       string
	Segment, Pod string
	Health       Health
	Cordoned     bool
	Drain        bool
	Reason       string
}

// note keeps a remark once.
func (im *Import) note(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); len(im.Notes) < maxNotes && !slices.Contains(im.Notes, text) {
		im.Notes = append(im.Notes, text)
	}
}

// add takes a node into the import, its names made fit for a world file. Where
// is the file with its line or item; an error names it.
func (im *Import) add(n Imported, where string) error {
	n.Where = where
	if err := im.take(n); err != nil {
		return fault.Wrap(err, where, nodeWord(n.Name))
	}
	return nil
}

// nodeWord names a node in a message; one without a name is just a node.
func nodeWord(name string) string {
	if name == "" {
		return "node"
	}
	return "node " + cleanName(name)
}

func (im *Import) take(n Imported) error {
	if len(im.Nodes) >= maxImportNodes {
		return fault.New(fault.Invalid, "", fmt.Sprintf("more than %d nodes", maxImportNodes), "import the centre in parts")
	}
	for _, name := range []*string{&n.Name, &n.Place.Site, &n.Place.Building, &n.Place.Hall, &n.Place.Row, &n.Place.Rack, &n.Segment, &n.Pod} {
		clean := cleanName(*name)
		if len(clean) > maxName {
			return fault.New(fault.Invalid, "", fmt.Sprintf("the name %.40q... is longer than %d bytes", clean, maxName), "shorten it")
		}
		if clean != *name {
			im.note("the name %q is taken over as %q: slashes and braces have a meaning in a world file", *name, clean)
			*name = clean
		}
	}
	n.Reason, n.Model, n.Serial = cleanText(n.Reason), cleanText(n.Model), cleanText(n.Serial)
	if len(n.Model) > maxName || len(n.Serial) > maxName {
		return fault.New(fault.Invalid, "", fmt.Sprintf("an accelerator or serial of more than %d bytes", maxName), "check the source")
	}
	if im.seen == nil {
		im.seen = map[string]bool{}
	}
	if n.Name == "" {
		return fault.New(fault.Invalid, "", "has no name", "")
	}
	if im.seen[n.Name] {
		return fault.New(fault.Invalid, "", "is listed twice", "remove one of them")
	}
	im.seen[n.Name] = true
	im.Nodes = append(im.Nodes, n)
	return nil
}

// cleanName replaces what a name of a world file cannot hold.
func cleanName(s string) string {
	return strings.NewReplacer("/", "-", "{", "-", "}", "-").Replace(cleanText(s))
}

// cleanText drops what is no text: broken UTF-8 and control characters.
func cleanText(s string) string {
	s = strings.TrimSpace(s)
	if utf8.ValidString(s) && !strings.ContainsFunc(s, noText) {
		return s
	}
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if noText(r) {
			return '-'
		}
		return r
	}, strings.ToValidUTF8(s, "-")))
}

func noText(r rune) bool {
	return r < ' ' || r >= 0x7f && r < 0xa0 || r == 0x2028 || r == 0x2029 || r == 0xfeff || r == 0xfffe || r == 0xffff
}

// makerPrefixes stand in front of a model where device plugins and resource
// managers spell it.
var makerPrefixes = []string{"nvidia-", "tesla-", "geforce-", "quadro-", "amd-", "instinct-", "radeon-", "intel-",
	"habana-", "huawei-", "cambricon-", "hygon-", "t-head-", "kunlunxin-", "enflame-", "metax-", "iluvatar-", "mthreads-", "biren-"}

// KnownModel returns the catalogue's name of an accelerator as device plugins
// and resource managers spell it: case, underscores, spaces and the maker's
// name in front do not matter.
func (c *Catalogue) KnownModel(name string) (Model, bool) {
	plain := strings.ToLower(strings.NewReplacer("_", "-", " ", "-").Replace(strings.TrimSpace(name)))
	for {
		if a := c.Accelerator(Model(plain)); a != nil {
			return a.Name, true
		}
		i := slices.IndexFunc(makerPrefixes, func(p string) bool { return strings.HasPrefix(plain, p) })
		if i < 0 {
			break
		}
		plain = plain[len(makerPrefixes[i]):]
	}
	// The catalogue may spell with an underscore what device plugins do.
	if a := c.Accelerator(Model(strings.TrimSpace(name))); a != nil {
		return a.Name, true
	}
	return "", false
}
