package fleet

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"tianfu/fault"
)

// deviceResource is how the device plug-in of a maker counts whole devices.
type deviceResource struct {
	name         string // of the resource; a final * stands for the model
	maker, stack string
	models       []string // labels that name the model
	counts       []string // labels that give the real number of devices, where shares of them are counted
}

// deviceResources lists the device plug-ins that are read; the names come from
// the plug-ins' own documentation and, for shared devices, from Project-HAMi.
func deviceResources() []deviceResource {
	nvidia := []string{"nvidia.com/gpu.product", "aliyun.accelerator/nvidia_name", "cloud.google.com/gke-accelerator", "k8s.amazonaws.com/accelerator"}
	nvidiaCount := []string{"nvidia.com/gpu.count", "aliyun.accelerator/nvidia_count"}
	ascend := []string{"node.kubernetes.io/npu.chip.name"}
	return []deviceResource{
		{"nvidia.com/gpu", "NVIDIA", "cuda", nvidia, nvidiaCount},
		{"nvidia.com/gpu.shared", "NVIDIA", "cuda", nvidia, nvidiaCount},
		{"amd.com/gpu", "AMD", "rocm", []string{"amd.com/gpu.product-name", "beta.amd.com/gpu.product-name"}, nil},
		{"habana.ai/gaudi", "Intel", "gaudi", []string{"habana.ai/product"}, nil},
		{"gpu.intel.com/i915", "Intel", "oneapi", []string{"gpu.intel.com/product"}, nil},
		{"gpu.intel.com/xe", "Intel", "oneapi", []string{"gpu.intel.com/product"}, nil},
		{"huawei.com/Ascend*", "Huawei", "cann", ascend, nil},
		{"huawei.com/ascend-1980", "Huawei", "cann", ascend, nil},
		{"huawei.com/npu", "Huawei", "cann", ascend, nil},
		{"cambricon.com/mlu*", "Cambricon", "neuware", []string{"cambricon.com/mlu.product"}, nil},
		{"cambricon.com/vmlu", "Cambricon", "neuware", []string{"cambricon.com/mlu.product"}, nil},
		{"hygon.com/dcu", "Hygon", "dtk", []string{"hygon.com/dcu.product"}, nil},
		{"hygon.com/dcunum", "Hygon", "dtk", []string{"hygon.com/dcu.product"}, nil},
		{"alibabacloud.com/ppu", "T-Head", "ppu", []string{"alibabacloud.com/ppu.product"}, nil},
		{"aliyun.com/ppu", "T-Head", "ppu", []string{"aliyun.com/ppu.product"}, nil},
		{"iluvatar.com/gpu", "Iluvatar CoreX", "corex", []string{"iluvatar.com/gpu.product"}, nil},
		{"iluvatar.ai/gpu", "Iluvatar CoreX", "corex", []string{"iluvatar.ai/gpu.product"}, nil},
		{"metax-tech.com/gpu", "MetaX", "maca", []string{"metax-tech.com/gpu.product"}, nil},
		{"mthreads.com/gpu", "Moore Threads", "musa", []string{"mthreads.com/gpu.product"}, nil},
		{"mthreads.com/vgpu", "Moore Threads", "musa", []string{"mthreads.com/gpu.product"}, nil},
		{"birentech.com/gpu", "Biren", "supa", []string{"birentech.com/gpu.product"}, nil},
		{"kunlunxin.com/xpu", "Kunlunxin", "xre", []string{"kunlunxin.com/xpu.product"}, nil},
		{"baidu.com/xpu", "Kunlunxin", "xre", []string{"kunlunxin.com/xpu.product"}, nil},
		{"enflame.com/gcu", "Enflame", "topsrider", []string{"enflame.com/gcu.model"}, []string{"enflame.com/gcu.count"}},
	}
}

// match returns the rule for a resource and the model that its name tells.
func (d *deviceResource) match(resource string) (model string, ok bool) {
	prefix, open := strings.CutSuffix(d.name, "*")
	if !open {
		return "", resource == d.name
	}
	// What follows a dot or dash is a share or partition: cambricon.com/mlu370.share,
	// huawei.com/Ascend910-16c.
	rest, ok := strings.CutPrefix(resource, prefix)
	if !ok || strings.ContainsAny(rest, ".-") {
		return "", false
	}
	if rest == "" {
		return "", true
	}
	_, model, _ = strings.Cut(resource, "/")
	return model, true
}

// kubernetesDevices takes over what device plug-ins count. Partitions and
// shares are noted, not counted: a world file declares whole devices.
func kubernetesDevices(im *Import, k *kubernetesNode, n *Imported) error {
	rules := deviceResources()
	for _, r := range slices.Sorted(maps.Keys(k.Status.Capacity)) {
		if !strings.Contains(r, "/") {
			continue
		}
		found := false
		for i := range rules {
			model, ok := rules[i].match(r)
			if !ok {
				continue
			}
			found = true
			if err := kubernetesDevice(im, k, n, &counted{&rules[i], r, model}); err != nil {
				return err
			}
			break
		}
		if !found && k.Status.Capacity[r] != "0" && partOfDevice(r, rules) {
			im.note("resource %s is not taken over: declare whole devices; tasks ask for shares and partitions of them", r)
		}
	}
	return nil
}

// partOfDevice says whether a resource comes from a maker of accelerators.
func partOfDevice(resource string, rules []deviceResource) bool {
	domain, _, _ := strings.Cut(resource, "/")
	return slices.ContainsFunc(rules, func(d deviceResource) bool { return strings.HasPrefix(d.name, domain+"/") })
}

// counted is a resource of a node with the rule that reads it.
type counted struct {
	*deviceResource
	resource string
	model    string // as the resource's name tells; may be empty
}

func kubernetesDevice(im *Import, k *kubernetesNode, n *Imported, d *counted) error {
	resource, model := d.resource, d.model
	count, err := deviceCount(k.Status.Capacity, resource)
	if err != nil || count == 0 {
		return err
	}
	if label := first(k.Metadata.Labels, d.models...); label != "" {
		model = label
	}
	if base, _, ok := strings.Cut(model, "-MIG-"); ok {
		model = base
		im.note("node %s counts partitions of %s: declare how many whole devices it has", n.Name, base)
	}
	model = strings.TrimSuffix(model, "-SHARED")
	if d.maker == "Huawei" {
		model = ascendModel(model, k.Metadata.Labels["accelerator-type"])
	}
	if model == "" { // nothing tells: named for its maker, so that two makers do not mix
		model = strings.ToLower(strings.ReplaceAll(d.maker, " ", "-")) + "-accelerator"
	}
	broken := 0
	if free, err := deviceCount(k.Status.Allocatable, resource); err != nil {
		return err
	} else if _, said := k.Status.Allocatable[resource]; said && free < count {
		broken = count - free
	}
	if label := first(k.Metadata.Labels, d.counts...); label != "" {
		if real, err := strconv.ParseUint(label, 10, 16); err == nil && real > 0 && int(real) < count {
			im.note("node %s counts %d shares of %d devices (%s); the devices are taken", n.Name, count, real, resource)
			count, broken = int(real), 0
		}
	}
	if n.Accelerators > 0 && n.Model != model {
		return fault.New(fault.Invalid, "status.capacity", "two accelerator models on one node: "+n.Model+" and "+model, "all accelerators of a node are of one model; declare two nodes")
	}
	n.Model, n.Maker, n.Stack = model, d.maker, d.stack
	n.Accelerators, n.Broken = n.Accelerators+count, n.Broken+broken
	return nil
}

func deviceCount(of map[string]string, resource string) (int, error) {
	text, ok := of[resource]
	if !ok {
		return 0, nil
	}
	v, err := kubernetesQuantity(text)
	if err != nil || !(v >= 0 && v <= 1<<16) || v != float64(int(v)) {
		return 0, fault.New(fault.Invalid, "status.capacity."+resource, strconv.Quote(text)+" is not a number of devices", "")
	}
	return int(v), nil
}

// ascendModel reads the chip's name, "910B3" or "Ascend910"; where it says no
// more than the family, the label accelerator-type may: "module-910b-8".
func ascendModel(model, kind string) string {
	family := model == "" || strings.EqualFold(model, "Ascend910") || strings.EqualFold(model, "Ascend")
	switch {
	case family && strings.Contains(kind, "910b"):
		return "Ascend910B"
	case family && strings.Contains(kind, "a3"):
		return "Ascend910C"
	}
	return model
}
