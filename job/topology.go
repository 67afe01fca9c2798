package job

import (
	"strconv"
	"strings"

	"tianfu/fault"
	"tianfu/fleet"
)

// ParseTopology reads a wish as people write it: "prefer:segment" or
// "must:host"; empty is none.
func ParseTopology(text string) (Topology, error) {
	if text == "" {
		return Topology{}, nil
	}
	word, level, _ := strings.Cut(text, ":")
	mode, ok := map[string]TopologyMode{"prefer": Prefer, "must": Must}[word]
	l, err := fleet.ParseLevel(level)
	if !ok || err != nil || l >= fleet.LevelFleet {
		return Topology{}, fault.New(fault.Invalid, "topology", strconv.Quote(text)+" is not a topology wish", "write prefer:segment or must:host; levels are host, rack, segment, pod, site")
	}
	return Topology{Mode: mode, Level: l}, nil
}

// String renders what ParseTopology reads.
func (t Topology) String() string {
	switch t.Mode {
	case Prefer:
		return "prefer:" + t.Level.String()
	case Must:
		return "must:" + t.Level.String()
	}
	return ""
}
