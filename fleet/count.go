package fleet

import "tianfu/unit"

// Count sums up the nodes of one SKU on one site.
type Count struct {
	Site, SKU  string
	Model      Model
	Nodes      int
	Devices    int
	Out        int   // nodes that take no new work: failed, suspect, cordoned or drained
	CPU        int64 // thousandths of a logical CPU
	MemoryMiB  int64
	Idle, Full unit.Watts
}

// Counts sums the world up by site and SKU, in order of first declaration.
func (w *World) Counts() []Count {
	type key struct{ site, sku string }
	index := map[key]int{}
	var out []Count
	for i := range w.nodes {
		n := &w.nodes[i]
		k := key{n.Place.Site, n.SKU}
		j, ok := index[k]
		if !ok {
			j = len(out)
			index[k] = j
			out = append(out, Count{Site: k.site, SKU: k.sku, Model: n.Model})
		}
		c := &out[j]
		c.Nodes++
		c.Devices += len(n.Devices)
		c.CPU += int64(n.CPU)
		c.MemoryMiB += int64(n.Memory)
		if n.Health != Healthy || n.Cordoned || n.Drain {
			c.Out++
		}
	}
	for i := range out {
		c := &out[i]
		if d, err := w.Catalogue.SKUDraw(w.Catalogue.SKU(c.SKU)); err == nil {
			c.Idle, c.Full = unit.Watts(c.Nodes)*d.Idle(), unit.Watts(c.Nodes)*d.Full()
		}
	}
	return out
}
