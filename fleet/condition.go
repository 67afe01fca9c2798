package fleet

import "fmt"

// condition marks nodes or devices.
func (b *builder) condition(c *Condition) {
	names, err := Expand(c.Nodes, maxMarks-b.conditioned)
	if err != nil {
		b.fail(c.line, "", "%s", err)
		return
	}
	b.conditioned += len(names)
	windows, ok := b.windows(c, len(names))
	if !ok || !b.devicesListed(c, len(windows) > 0) {
		return
	}
	if c.Health == Healthy && !c.Cordoned && !c.Drain && len(windows) == 0 {
		b.warn(c.line, "give health:, cordoned:, drain: or maintenance:", "this entry changes nothing")
	}
	for _, name := range names {
		i, ok := b.nodeAt[name]
		if !ok {
			b.fail(c.line, "compare the names under nodes:", "unknown node %q", name)
			return
		}
		if !b.mark(c, &b.w.nodes[i], windows) {
			return
		}
	}
}

// mark applies a condition to one node. Several conditions add up; the worst
// health holds.
func (b *builder) mark(c *Condition, n *Node, windows []Window) bool {
	if len(c.Devices) == 0 {
		n.Health, n.Cordoned, n.Drain = max(n.Health, c.Health), n.Cordoned || c.Cordoned, n.Drain || c.Drain
		if len(n.Maintenance) == 0 { // nodes of one condition share its windows
			n.Maintenance = windows[:len(windows):len(windows)]
		} else {
			n.Maintenance = append(n.Maintenance[:len(n.Maintenance):len(n.Maintenance)], windows...)
		}
		return true
	}
	for _, k := range c.Devices {
		if k >= len(n.Devices) {
			b.fail(c.line, "count from 0", "node %q has %d devices, no device %d", n.ID, len(n.Devices), k)
			return false
		}
		d := &n.Devices[k]
		d.Health, d.Cordoned = max(d.Health, c.Health), d.Cordoned || c.Cordoned
	}
	return true
}

// windows checks and returns the maintenance windows of a condition of so many
// nodes.
func (b *builder) windows(c *Condition, nodes int) ([]Window, bool) {
	if b.windowed += nodes * len(c.Maintenance); len(c.Maintenance) > maxWindows || b.windowed > maxMarks {
		b.fail(c.line, "declare the coming ones only", "%d maintenance windows of %d nodes are too many", len(c.Maintenance), nodes)
		return nil, false
	}
	out := make([]Window, 0, len(c.Maintenance))
	for _, s := range c.Maintenance {
		if s.To <= s.From {
			b.fail(s.line, "let it end after it starts", "maintenance ends %s, before it starts %s", s.To, s.From)
			return nil, false
		}
		out = append(out, Window{s.From, s.To})
	}
	return out, true
}

// devicesListed checks the devices that a condition names.
func (b *builder) devicesListed(c *Condition, maintained bool) bool {
	if len(c.Devices) > 0 && (c.Drain || maintained) {
		b.fail(c.line, "leave out devices:", "only whole nodes are drained or maintained")
		return false
	}
	if len(c.Devices) > MaxDevices {
		b.fail(c.line, fmt.Sprintf("a node has at most %d", MaxDevices), "%d devices are named", len(c.Devices))
		return false
	}
	return true
}
