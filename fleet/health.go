package fleet

import "tianfu/fault"

var healths = [...]string{Healthy: "healthy", Suspect: "suspect", Failed: "failed"}

// String returns the name a world file uses.
func (h Health) String() string { return healths[h] }

func parseHealth(s string) (Health, error) {
	for h, name := range healths {
		if name == s {
			return Health(h), nil
		}
	}
	return 0, fault.Invalidf("", "%q is no health; use healthy, suspect or failed", s)
}

var levels = [...]string{
	LevelHost: "host", LevelRack: "rack", LevelSegment: "segment",
	LevelPod: "pod", LevelSite: "site", LevelFleet: "fleet",
}

// String returns the level's name.
func (l Level) String() string { return levels[l] }

// ParseLevel reads a level's name: host, rack, segment, pod, site or fleet.
func ParseLevel(s string) (Level, error) {
	for l, name := range levels {
		if name == s {
			return Level(l), nil
		}
	}
	return 0, fault.Invalidf("", "%q is no topology level; use host, rack, segment, pod or site", s)
}
