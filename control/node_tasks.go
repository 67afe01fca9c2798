package control

import (
	"encoding/binary"
	"slices"

	"tianfu/fleet"
)

// boundsTasks tells whether any node has a bound of tasks at one time.
func (c *Config) boundsTasks() bool {
	return c.Fleet != nil && slices.ContainsFunc(c.Fleet.Nodes, func(n fleet.Node) bool { return n.Tasks > 0 })
}

// appendNodeTasks appends the bounds of the nodes in order, as runs of equal ones.
func appendNodeTasks(b []byte, f *fleet.Fleet) []byte {
	for i := 0; i < len(f.Nodes); {
		j := i + 1
		for j < len(f.Nodes) && f.Nodes[j].Tasks == f.Nodes[i].Tasks {
			j++
		}
		b = binary.AppendUvarint(binary.AppendUvarint(b, uint64(j-i)), uint64(f.Nodes[i].Tasks))
		i = j
	}
	return b
}

func (d *reader) nodeTasks(f *fleet.Fleet) {
	for i := 0; i < len(f.Nodes) && d.err == nil; {
		run, tasks := d.uvarint(), d.uvarint()
		if run == 0 || run > uint64(len(f.Nodes)-i) || tasks > 1<<30 {
			d.fail("a bound of tasks is of no node, or too large")
			return
		}
		for range run {
			f.Nodes[i].Tasks = int(tasks)
			i++
		}
	}
}
