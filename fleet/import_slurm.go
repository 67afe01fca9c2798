package fleet

import (
	"fmt"
	"strconv"
	"strings"

	"tianfu/fault"
	"tianfu/unit"
)

// ImportSlurm reads what `scontrol show node` prints, in blocks or with one
// line a node (-o). Partitions are not taken over: queues are declared apart.
// The name is only used in messages.
func ImportSlurm(name string, data []byte) (*Import, error) {
	if err := tooLarge(name, data); err != nil {
		return nil, err
	}
	im := &Import{Name: "slurm"}
	var fields map[string]string
	line, begun := 0, 0
	finish := func() error {
		if fields == nil {
			return nil
		}
		where := fmt.Sprintf("%s:%d", name, begun)
		n, err := slurmNode(im, fields)
		if err != nil {
			return fault.Wrap(err, where, nodeWord(n.Name))
		}
		fields = nil
		return im.add(n, where)
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
// value reaches to the next key. A reason is free text and reaches to the end.
func slurmFields(text string, into map[string]string) {
	key, from := "", 0
	keep := func(end int) {
		if key != "" {
			into[key] = strings.TrimSpace(text[from:end])
		}
	}
	for at := 0; at < len(text); {
		word := text[at:]
		if i := strings.IndexAny(word, " \t"); i >= 0 {
			word = word[:i]
		}
		k, _, ok := strings.Cut(word, "=")
		if ok && k != "" && key != "Reason" && !strings.ContainsFunc(k, notSlurmKey) {
			keep(at)
			key, from = k, at+len(k)+1
		}
		at += len(word) + 1
	}
	keep(len(text))
}

func notSlurmKey(r rune) bool {
	return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == ':')
}

func slurmNode(im *Import, f map[string]string) (Imported, error) {
	n := Imported{Name: f["NodeName"]}
	key := "CPUEfctv" // without the cores kept for the system
	if f[key] == "" {
		key = "CPUTot"
	}
	cpus, err := strconv.ParseInt(f[key], 10, 32)
	if err != nil || cpus < 1 || cpus > 1<<20 {
		return n, fault.New(fault.Invalid, key, strconv.Quote(f[key])+" is not a number of CPUs", "")
	}
	memory, err := strconv.ParseInt(f["RealMemory"], 10, 31) // MiB
	if err != nil || memory < 1 {
		return n, fault.New(fault.Invalid, "RealMemory", strconv.Quote(f["RealMemory"])+" is not a number of MiB", "")
	}
	if kept, err := strconv.ParseInt(f["MemSpecLimit"], 10, 31); err == nil && kept > 0 && kept < memory {
		memory -= kept
	}
	n.CPU, n.Memory = unit.MilliCPU(cpus*1000), unit.MiB(memory)
	if err := slurmGres(im, f, &n); err != nil {
		return n, err
	}
	slurmState(im, f["State"], &n)
	if n.Health != Healthy || n.Cordoned {
		if n.Reason = f["Reason"]; n.Reason == "" {
			n.Reason = "state " + f["State"]
		}
	}
	return n, nil
}

// slurmState reads "IDLE", "MIXED+DRAIN", "DOWN*+DRAIN": a base state, marks
// and flags, as the manual page of sinfo explains them. A drained node keeps
// its work, which is our cordon.
func slurmState(im *Import, state string, n *Imported) {
	for flag := range strings.SplitSeq(strings.ToUpper(state), "+") {
		word := strings.TrimRight(flag, "*~#$@^%!-")
		switch word {
		case "DOWN", "ERROR", "UNKNOWN", "INVAL", "INVALID_REG":
			n.Health = Failed
		case "FAIL", "FAILING", "NOT_RESPONDING", "NO_RESPOND":
			n.Health = max(n.Health, Suspect)
		case "DRAIN", "DRAINED", "DRAINING":
			n.Cordoned = true
		case "MAINT", "MAINTENANCE", "RESERVED", "RESV", "FUTURE", "REBOOT", "REBOOT_REQUESTED", "REBOOT_ISSUED",
			"POWERED_DOWN", "POWERING_DOWN", "POWER_DOWN", "BLOCKED":
			im.note("node state %s is not taken over; declare a maintenance window or cordon under state: if it stays", strings.ToLower(word))
		}
		if strings.HasSuffix(flag, "*") { // does not answer
			n.Health = max(n.Health, Suspect)
		}
	}
}

// slurmAccelerator says whether a generic resource is an accelerator.
func slurmAccelerator(kind string) bool {
	switch kind {
	case "gpu", "npu", "dcu", "mlu", "xpu", "gcu", "ppu", "hpu", "accelerator":
		return true
	}
	return false
}

// slurmGres reads "gpu:a100:8(S:0-1),mps:400" or "gpu:4".
func slurmGres(im *Import, f map[string]string, n *Imported) error {
	gres := f["Gres"]
	n.Features = strings.Split(f["AvailableFeatures"], ",")
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
		if kind := parts[0]; !slurmAccelerator(kind) {
			im.note("generic resource %q is not taken over", kind)
			continue
		}
		count, err := strconv.ParseUint(parts[len(parts)-1], 10, 16)
		if err != nil || len(parts) > 3 || len(parts) < 2 {
			return fault.New(fault.Invalid, "Gres", strconv.Quote(item)+" is not kind:model:count or kind:count", "")
		}
		model := ""
		if len(parts) == 3 {
			model = parts[1]
		}
		if migProfile(model) {
			im.note("partitions %s are not taken over: declare the whole devices; tasks ask for partitions of them", model)
			continue
		}
		if n.Accelerators > 0 && n.Model != model && count > 0 {
			return fault.New(fault.Invalid, "Gres", "two accelerator models on one node", "all accelerators of a node are of one model; declare two nodes")
		}
		n.Model, n.Accelerators = model, n.Accelerators+int(count)
	}
	return nil
}

// migProfile says whether a model is a partition, like "a100_1g.5gb".
func migProfile(model string) bool {
	_, memory, ok := strings.Cut(model, "g.")
	return ok && strings.HasSuffix(memory, "gb")
}
