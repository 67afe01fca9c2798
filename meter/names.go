package meter

import "strings"

var lineNames = [...]string{"", "task", "idle", "loss", "unexplained", "service"}

// String names the line.
func (l Line) String() string {
	if int(l) >= len(lineNames) {
		return "unknown"
	}
	return lineNames[l]
}

var basisNames = [...]string{"", "measured", "estimated", "modelled", "unmetered"}

// String names the basis.
func (b Basis) String() string {
	if int(b) >= len(basisNames) {
		return "unknown"
	}
	return basisNames[b]
}

var missingNames = [...]string{"location carbon", "market carbon", "price", "PUE", "water"}

// String lists what is missing.
func (m Missing) String() string {
	var out []string
	for i, name := range missingNames {
		if m>>i&1 != 0 {
			out = append(out, name)
		}
	}
	return strings.Join(out, ", ")
}
