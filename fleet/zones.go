package fleet

import (
	_ "embed" // the list of zones
	"strings"
)

// zones lists the names of the IANA time zone database, one a line (public
// domain). Asking the operating system would make a world file valid on one
// machine and not on the next.
//
//go:embed zones.txt
var zones string

// KnownZone says whether the IANA time zone database has a zone of this name.
func KnownZone(name string) bool {
	return name != "" && !strings.Contains(name, "\n") && strings.Contains("\n"+zones, "\n"+name+"\n")
}
