package sim

import (
	"cmp"
	"fmt"
	"math/rand"
	"slices"
	"strings"

	"tianfu/fleet"
	"tianfu/sched"
	"tianfu/unit"
)

// InflateSequence returns the order in which the tasks of a workload arrive in
// the inflation protocol for a seed, as indexes into w.Jobs, and the rank of
// every node of f. It repeats the published experiments draw by draw
// (github.com/hkust-adsl/kubernetes-scheduler-simulator), hence the first
// generation of Go's generator and the draws that are thrown away.
func InflateSequence(w *Workload, f *fleet.Fleet, seed int64) (order, rank []int32) {
	r := rand.New(rand.NewSource(seed))
	r.Int() // a log argument in the original
	byName := make([]int32, len(w.Jobs))
	for i := range byName {
		byName[i] = int32(i)
	}
	slices.SortStableFunc(byName, func(a, b int32) int {
		return strings.Compare(w.Jobs[a].Spec.Name, w.Jobs[b].Spec.Name)
	})
	order = slices.Clone(byName)
	r.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	order = inflate(w, f, r, order, byName)
	for range 10 {
		r.Float64() // start-up jitter of ten clients in the original
	}
	nodes := make([]int, len(f.Nodes))
	for i := range nodes {
		nodes[i] = i
	}
	slices.SortStableFunc(nodes, func(a, b int) int {
		return cmp.Compare(f.Nodes[a].ID, f.Nodes[b].ID)
	})
	perm := r.Perm(len(nodes))
	rank = make([]int32, len(nodes))
	for i, n := range nodes {
		rank[n] = int32(perm[i])
	}
	return order, rank
}

// inflate adds tasks drawn with replacement, or deletes tasks, until 130 % of
// the fleet's accelerators are asked for.
func inflate(w *Workload, f *fleet.Fleet, r *rand.Rand, order, byName []int32) []int32 {
	request := func(i int32) (each, total int64) {
		q := &w.Jobs[i].Spec.Groups[0].Request
		return int64(q.Share), int64(q.Share) * int64(q.Accelerators)
	}
	var asked int64
	for _, i := range order {
		_, total := request(i)
		asked += total
	}
	target := int64(f.Devices()) * int64(unit.Whole) * 13 / 10
	if asked > target {
		for asked > target {
			k := r.Intn(len(order))
			_, total := request(order[k])
			asked -= total
			order = append(order[:k], order[k+1:]...)
		}
		return order
	}
	if asked == target {
		return order
	}
	for {
		i := byName[r.Intn(len(byName))]
		each, total := request(i)
		if asked+each > target { // per device, not times the count: as published
			return order
		}
		order = append(order, i)
		asked += total
	}
}

// TypicalClasses returns the classes that make up 95 % of a workload's tasks,
// most frequent first: the target workload of the FGD paper. Memory is left
// out; ties go to the larger CPU, share, count and model text.
func TypicalClasses(w *Workload) []sched.TypicalClass {
	type key struct {
		cpu    unit.MilliCPU
		share  unit.Milli
		count  int
		models string
	}
	index := map[key]int{}
	var keys []key
	var classes []sched.TypicalClass
	for i := range w.Jobs {
		q := &w.Jobs[i].Spec.Groups[0].Request
		k := key{q.CPU, q.Share, q.Accelerators, w.Jobs[i].Models}
		at, ok := index[k]
		if !ok {
			at = len(classes)
			index[k] = at
			keys = append(keys, k)
			classes = append(classes, sched.TypicalClass{CPU: q.CPU, Share: q.Share, Count: q.Accelerators, Models: q.Models})
		}
		classes[at].Weight++
	}
	by := make([]int, len(classes))
	for i := range by {
		by[i] = i
	}
	slices.SortFunc(by, func(a, b int) int {
		return cmp.Or(cmp.Compare(classes[b].Weight, classes[a].Weight), cmp.Compare(keys[b].cpu, keys[a].cpu),
			cmp.Compare(keys[b].share, keys[a].share), cmp.Compare(keys[b].count, keys[a].count),
			cmp.Compare(keys[b].models, keys[a].models))
	})
	var out []sched.TypicalClass
	var sum int64
	for _, i := range by {
		if 100*sum >= 95*int64(len(w.Jobs)) {
			break
		}
		out = append(out, classes[i])
		sum += classes[i].Weight
	}
	return out
}

// CopyFleet returns a fleet of n copies of every node: copy c of node NAME is
// NAME-c0001 and so on.
func CopyFleet(f *fleet.Fleet, n int) *fleet.Fleet {
	if n <= 1 {
		return f
	}
	out := &fleet.Fleet{Name: f.Name, Traits: f.Traits, Catalogue: f.Catalogue, Nodes: make([]fleet.Node, 0, n*len(f.Nodes))}
	for i := range f.Nodes {
		for c := 1; c <= n; c++ {
			node := f.Nodes[i]
			node.ID = fleet.NodeID(fmt.Sprintf("%s-c%04d", f.Nodes[i].ID, c))
			out.Nodes = append(out.Nodes, node)
		}
	}
	return out
}
