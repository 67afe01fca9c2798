package fleet

import (
	"encoding/json"
	"errors"
	"fmt"
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
		Taints        []struct {
			Key    string `json:"key"`
			Effect string `json:"effect"`
		} `json:"taints"`
	} `json:"spec"`
	Status struct {
		Capacity    map[string]string `json:"capacity"`
		Allocatable map[string]string `json:"allocatable"`
		Conditions  []struct {
			Type   string `json:"type"`
			Status string `json:"status"`
			Reason string `json:"reason"`
		} `json:"conditions"`
	} `json:"status"`
}

// ImportKubernetes reads what `kubectl get nodes -o json` prints: what is
// allocatable, device plug-ins, labels of zone, rack and switch, cordons,
// taints and conditions. The name is only used in messages.
func ImportKubernetes(name string, data []byte) (*Import, error) {
	if err := tooLarge(name, data); err != nil {
		return nil, err
	}
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
		where := fmt.Sprintf("%s: items[%d]", name, i)
		n, err := kubernetesImported(im, &list.Items[i])
		if err != nil {
			return nil, fault.Wrap(err, where, nodeWord(n.Name))
		}
		if err := im.add(n, where); err != nil {
			return nil, err
		}
	}
	return im, nil
}

// tooLarge refuses more than an import reads.
func tooLarge(name string, data []byte) error {
	if len(data) <= MaxImportBytes {
		return nil
	}
	return fault.New(fault.Invalid, name, fmt.Sprintf("is larger than %d MiB", MaxImportBytes>>20), "import the centre in parts")
}

// jsonError names the line of a JSON error.
func jsonError(name string, data []byte, err error) error {
	offset := int64(-1)
	if s, ok := errors.AsType[*json.SyntaxError](err); ok {
		offset = s.Offset
	}
	if u, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		offset, err = u.Offset, fmt.Errorf("%s is a %s", strings.TrimSuffix("field "+u.Field, "field "), u.Value)
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
	where, cpu, err := k.amount("cpu")
	if err != nil || !(cpu >= 0.001 && cpu <= 1<<20) {
		return n, fault.New(fault.Invalid, where+".cpu", strconv.Quote(k.text("cpu"))+" is not a quantity of CPUs", "")
	}
	where, memory, err := k.amount("memory")
	if err != nil || !(memory >= 1<<20 && memory/(1<<20) <= 1<<30) {
		return n, fault.New(fault.Invalid, where+".memory", strconv.Quote(k.text("memory"))+" is not a quantity of memory", "")
	}
	n.CPU, n.Memory = unit.MilliCPU(cpu*1000), unit.MiB(memory/(1<<20))
	if err := kubernetesDevices(im, k, &n); err != nil {
		return n, err
	}
	l := k.Metadata.Labels
	n.Place.Site = first(l, "topology.kubernetes.io/zone", "topology.kubernetes.io/region", "failure-domain.beta.kubernetes.io/zone")
	n.Place.Rack = first(l, "topology.kubernetes.io/rack", "rack")
	n.Segment = first(l, "network.topology.nvidia.com/leaf", "topology.kubernetes.io/switch", "cloud.google.com/gce-topology-block")
	n.Pod = first(l, "network.topology.nvidia.com/spine", "cloud.google.com/gce-topology-cluster")
	kubernetesState(im, k, &n)
	return n, nil
}

// text returns what is allocatable of a resource, or its capacity where that
// is not said.
func (k *kubernetesNode) text(resource string) string {
	if s, ok := k.Status.Allocatable[resource]; ok {
		return s
	}
	return k.Status.Capacity[resource]
}

func (k *kubernetesNode) amount(resource string) (where string, v float64, err error) {
	where = "status.capacity"
	if _, ok := k.Status.Allocatable[resource]; ok {
		where = "status.allocatable"
	}
	v, err = kubernetesQuantity(k.text(resource))
	return where, v, err
}

// kubernetesState takes over cordons, taints and conditions.
func kubernetesState(im *Import, k *kubernetesNode, n *Imported) {
	if n.Cordoned = k.Spec.Unschedulable; n.Cordoned {
		n.Reason = "unschedulable"
	}
	for _, t := range k.Spec.Taints {
		switch {
		case t.Effect == "PreferNoSchedule":
		case t.Key == "node.kubernetes.io/unschedulable":
			n.Cordoned = true
		case t.Key == "node-role.kubernetes.io/control-plane" || t.Key == "node-role.kubernetes.io/master":
			n.Cordoned, n.Reason = true, "taint "+t.Key
		case strings.HasPrefix(t.Key, "node.kubernetes.io/"): // Kubernetes sets these from conditions
		default:
			im.note("taint %s is not taken over: cordon its nodes under state: if they are to be kept free", t.Key)
		}
	}
	for _, c := range k.Status.Conditions {
		switch c.Type {
		case "Ready":
			if c.Status != "True" {
				n.Health, n.Reason = Failed, c.Reason
			}
		case "MemoryPressure", "DiskPressure", "PIDPressure", "NetworkUnavailable":
			if c.Status == "True" && n.Health == Healthy {
				n.Health, n.Reason = Suspect, c.Type
			}
		default:
			if c.Status == "True" {
				im.note("condition %s is not taken over", c.Type)
			}
		}
	}
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
