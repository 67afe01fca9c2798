package fleet

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"tianfu/fault"
	"tianfu/unit"
)

// kubernetesList is the part of `kubectl get nodes -o json` that is read.
type kubernetesList struct {
	Kind  string           `json:"kind"`
	Items []kubernetesNode `json:"items"`
}

type kubernetesNode struct {
	Kind     string `json:"kind"`
	Metadata struct {
		Name   string            `json:"name"`
		Labels map[string]string `json:"labels"`
	} `json:"metadata"`
	Spec struct {
		Unschedulable bool `json:"unschedulable"`
	} `json:"spec"`
	Status struct {
		Capacity   map[string]string `json:"capacity"`
		Conditions []struct {
			Type   string `json:"type"`
			Status string `json:"status"`
			Reason string `json:"reason"`
		} `json:"conditions"`
	} `json:"status"`
}

// deviceResources are the extended resources of device plugins, and the label
// that tells the model where the name of the resource does not.
var deviceResources = []struct{ prefix, label string }{
	{"nvidia.com/gpu", "nvidia.com/gpu.product"},
	{"amd.com/gpu", "amd.com/gpu.product-name"},
	{"huawei.com/Ascend", "accelerator-type"},
	{"huawei.com/npu", "accelerator-type"},
	{"cambricon.com/mlu", "cambricon.com/mlu.product"},
	{"cambricon.com/", ""},
	{"hygon.com/dcu", "hygon.com/dcu.product"},
	{"alibabacloud.com/ppu", "alibabacloud.com/ppu.product"},
	{"iluvatar.ai/gpu", "iluvatar.ai/gpu.product"},
	{"metax-tech.com/gpu", "metax-tech.com/gpu.product"},
	{"mthreads.com/gpu", "mthreads.com/gpu.product"},
	{"kunlunxin.com/xpu", "kunlunxin.com/xpu.product"},
	{"enflame.com/gcu", "enflame.com/gcu.product"},
}

// ImportKubernetes reads what `kubectl get nodes -o json` prints: capacity,
// device plugins, zone, rack and switch labels, cordons and readiness.
func ImportKubernetes(name string, data []byte) (*Import, error) {
	var list kubernetesList
	if err := json.Unmarshal(data, &list); err != nil {
		return nil, jsonError(name, data, err)
	}
	if list.Kind == "Node" {
		var one kubernetesNode
		if err := json.Unmarshal(data, &one); err != nil {
			return nil, jsonError(name, data, err)
		}
		list.Items = []kubernetesNode{one}
	}
	if len(list.Items) == 0 {
		return nil, fault.New(fault.Invalid, name, "has no items", "save the output of: kubectl get nodes -o json")
	}
	im := &Import{Name: "kubernetes"}
	for i := range list.Items {
		n, err := kubernetesImported(im, &list.Items[i])
		if err != nil {
			return nil, fault.Wrap(err, fmt.Sprintf("%s: items[%d]", name, i), "node "+list.Items[i].Metadata.Name)
		}
		im.Nodes = append(im.Nodes, n)
		if err := im.tooMany(name); err != nil {
			return nil, err
		}
	}
	return im, nil
}

// jsonError names the line of a JSON error.
func jsonError(name string, data []byte, err error) error {
	offset := int64(-1)
	if s, ok := errors.AsType[*json.SyntaxError](err); ok {
		offset = s.Offset
	}
	if u, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		offset = u.Offset
	}
	where := name
	if offset >= 0 && offset <= int64(len(data)) {
		where = fmt.Sprintf("%s:%d", name, 1+strings.Count(string(data[:offset]), "\n"))
	}
	return &fault.Error{Kind: fault.Invalid, Where: where, What: "is not the JSON of a list of nodes", Err: err, Fix: "save the output of: kubectl get nodes -o json"}
}

func kubernetesImported(im *Import, k *kubernetesNode) (Imported, error) {
	n := Imported{Name: k.Metadata.Name}
	if n.Name == "" {
		return n, fault.New(fault.Invalid, "metadata.name", "is missing", "")
	}
	cpu, err := kubernetesQuantity(k.Status.Capacity["cpu"])
	if err != nil || cpu < 0.001 || cpu > 1<<20 {
		return n, fault.New(fault.Invalid, "status.capacity.cpu", strconv.Quote(k.Status.Capacity["cpu"])+" is not a quantity", "")
	}
	memory, err := kubernetesQuantity(k.Status.Capacity["memory"])
	if err != nil || memory < 1<<20 || memory/(1<<20) > 1<<30 {
		return n, fault.New(fault.Invalid, "status.capacity.memory", strconv.Quote(k.Status.Capacity["memory"])+" is not a quantity", "")
	}
	n.CPU, n.Memory = unit.MilliCPU(cpu*1000), unit.MiB(memory/(1<<20))
	if err := kubernetesDevices(im, k, &n); err != nil {
		return n, err
	}
	l := k.Metadata.Labels
	n.Place.Site = first(l, "topology.kubernetes.io/zone", "topology.kubernetes.io/region", "failure-domain.beta.kubernetes.io/zone")
	n.Place.Rack = first(l, "topology.kubernetes.io/rack", "rack")
	n.Segment = first(l, "network.topology.nvidia.com/leaf", "cloud.google.com/gce-topology-block")
	n.Pod = first(l, "network.topology.nvidia.com/spine", "cloud.google.com/gce-topology-cluster")
	if n.Cordoned = k.Spec.Unschedulable; n.Cordoned {
		n.Reason = "unschedulable"
	}
	for _, c := range k.Status.Conditions {
		if c.Type == "Ready" && c.Status != "True" {
			n.Health, n.Reason = Failed, c.Reason
		}
	}
	return n, nil
}

// first returns the value of the first label that is there.
func first(labels map[string]string, keys ...string) string {
	for _, k := range keys {
		if v := labels[k]; v != "" {
			return v
		}
	}
	return ""
}

func kubernetesDevices(im *Import, k *kubernetesNode, n *Imported) error {
	keys := make([]string, 0, len(k.Status.Capacity))
	for r := range k.Status.Capacity {
		keys = append(keys, r)
	}
	slices.Sort(keys)
	for _, r := range keys {
		label, known := deviceLabel(r)
		if !known {
			continue
		}
		count, err := kubernetesQuantity(k.Status.Capacity[r])
		if err != nil || count < 0 || count != float64(int(count)) || count > 1<<16 {
			return fault.New(fault.Invalid, "status.capacity."+r, strconv.Quote(k.Status.Capacity[r])+" is not a number of devices", "")
		}
		if count == 0 {
			continue
		}
		model := k.Metadata.Labels[label]
		if _, own, _ := strings.Cut(r, "/"); model == "" {
			model = own
		}
		if strings.HasPrefix(r, "nvidia.com/mig-") {
			im.note("MIG resource %s is not taken over: declare the whole devices; tasks ask for partitions of them", r)
			continue
		}
		if n.Accelerators > 0 && n.Model != model {
			return fault.New(fault.Invalid, "status.capacity", "two accelerator models on one node: "+n.Model+" and "+model, "all accelerators of a node are of one model; declare two nodes")
		}
		n.Model, n.Accelerators = model, n.Accelerators+int(count)
	}
	return nil
}

func deviceLabel(resource string) (label string, known bool) {
	if strings.HasPrefix(resource, "nvidia.com/mig-") {
		return "", true
	}
	for _, d := range deviceResources {
		if strings.HasPrefix(resource, d.prefix) {
			return d.label, true
		}
	}
	return "", false
}

// kubernetesQuantity reads "96", "95500m", "528Gi", "1056316Ki".
func kubernetesQuantity(s string) (float64, error) {
	suffixes := []struct {
		name   string
		factor float64
	}{{"Ki", 1 << 10}, {"Mi", 1 << 20}, {"Gi", 1 << 30}, {"Ti", 1 << 40}, {"Pi", 1 << 50}, {"m", 1e-3}, {"k", 1e3}, {"M", 1e6}, {"G", 1e9}, {"T", 1e12}, {"P", 1e15}}
	for _, x := range suffixes {
		if rest, ok := strings.CutSuffix(s, x.name); ok {
			v, err := strconv.ParseFloat(rest, 64)
			return v * x.factor, err
		}
	}
	return strconv.ParseFloat(s, 64)
}
