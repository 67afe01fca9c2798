package fleet

import (
	"fmt"
	"strconv"
	"strings"

	"tianfu/fault"
	"tianfu/unit"
)

// ImportSlurm reads what `scontrol show node` prints, in blocks or with one
// line a node (-o). The partition is not taken over: queues are declared apart.
func ImportSlurm(name string, data []byte) (*Import, error) {
	im := &Import{Name: "slurm"}
	var fields map[string]string
	line, begun := 0, 0
	finish := func() error {
		if fields == nil {
			return nil
		}
		n, err := slurmNode(im, fields)
		if err != nil {
			return fault.Wrap(err, fmt.Sprintf("%s:%d", name, begun), "node "+fields["NodeName"])
		}
		im.Nodes = append(im.Nodes, n)
		fields = nil
		return im.tooMany(name)
	}
	for text := range strings.Lines(string(data)) {
		line++
		text = strings.TrimSpace(text)
		if strings.HasPrefix(text, "NodeName=") {
			if err := finish(); err != nil {
				return nil, err
			}
			fields, begun = map[string]string{}, line
		}
		if text == "" {
			continue
		}
		if fields == nil {
			return nil, fault.New(fault.Invalid, fmt.Sprintf("%s:%d", name, line), "is not the output of scontrol show node", "each node begins with NodeName=")
		}
		slurmFields(text, fields)
	}
	if err := finish(); err != nil {
		return nil, err
	}
	if len(im.Nodes) == 0 {
		return nil, fault.New(fault.Invalid, name, "names no node", "save the output of: scontrol show node")
	}
	return im, nil
}

// slurmFields splits "A=1 B=two words C=3": a key is a word before "=", and a
// value reaches to the next key.
func slurmFields(text string, into map[string]string) {
	key, value := "", ""
	keep := func() {
		if key != "" {
			into[key] = strings.TrimSpace(value)
		}
	}
	for word := range strings.FieldsSeq(text) {
		k, v, ok := strings.Cut(word, "=")
		if ok && k != "" && strings.Trim(k, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789:") == "" && key != "Reason" {
			keep()
			key, value = k, v
			continue
		}
		value += " " + word
	}
	keep()
}

func slurmNode(im *Import, f map[string]string) (Imported, error) {
	n := Imported{Name: f["NodeName"]}
	cpus, err := strconv.ParseInt(f["CPUTot"], 10, 32)
	if err != nil || cpus < 1 || cpus > 1<<20 {
		return n, fault.New(fault.Invalid, "CPUTot", strconv.Quote(f["CPUTot"])+" is not a number of CPUs", "")
	}
	memory, err := strconv.ParseInt(f["RealMemory"], 10, 31) // MiB
	if err != nil || memory < 1 {
		return n, fault.New(fault.Invalid, "RealMemory", strconv.Quote(f["RealMemory"])+" is not a number of MiB", "")
	}
	n.CPU, n.Memory = unit.MilliCPU(cpus*1000), unit.MiB(memory)
	if err := slurmGres(im, f["Gres"], &n); err != nil {
		return n, err
	}
	for flag := range strings.SplitSeq(strings.ToUpper(f["State"]), "+") {
		switch strings.Trim(flag, "*~#$@^%!-") {
		case "DOWN", "FAIL", "FAILING", "ERROR", "NOT_RESPONDING", "UNKNOWN":
			n.Health = Failed
		case "DRAIN", "DRAINED", "DRAINING":
			n.Cordoned = true
		case "MAINT", "RESERVED", "FUTURE":
			im.note("node state %s is not taken over; declare a maintenance window under state:", strings.ToLower(flag))
		}
	}
	if n.Health != Healthy || n.Cordoned {
		n.Reason = f["Reason"]
	}
	return n, nil
}

// slurmGres reads "gpu:a100:8(S:0-1),mps:400" or "gpu:4".
func slurmGres(im *Import, gres string, n *Imported) error {
	if gres == "" || gres == "(null)" {
		return nil
	}
	depth := 0
	items := strings.FieldsFunc(gres, func(r rune) bool { // commas inside brackets belong to the item
		switch r {
		case '(':
			depth++
		case ')':
			depth--
		}
		return r == ',' && depth == 0
	})
	for _, item := range items {
		item, _, _ = strings.Cut(item, "(")
		parts := strings.Split(item, ":")
		if kind := parts[0]; kind != "gpu" && kind != "npu" && kind != "dcu" && kind != "mlu" {
			im.note("generic resource %q is not taken over", kind)
			continue
		}
		count, err := strconv.Atoi(parts[len(parts)-1])
		if err != nil || count < 0 || len(parts) > 3 || len(parts) < 2 {
			return fault.New(fault.Invalid, "Gres", strconv.Quote(item)+" is not kind:model:count or kind:count", "")
		}
		model := ""
		if len(parts) == 3 {
			model = parts[1]
		}
		if n.Accelerators > 0 && n.Model != model && count > 0 {
			return fault.New(fault.Invalid, "Gres", "two accelerator models on one node", "all accelerators of a node are of one model; declare two nodes")
		}
		n.Model, n.Accelerators = model, n.Accelerators+count
	}
	return nil
}
