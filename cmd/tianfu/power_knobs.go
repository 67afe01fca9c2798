package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"tianfu/engine/local"
)

// limitBy lists the hardware that the world allows to be given limits of power;
// none where it limits no power, for then nobody would lift them.
func (w *readyWorld) limitBy() []string {
	if w.config.Tree == nil {
		return nil
	}
	return w.declared.Power.LimitBy
}

// allowKnobs tells the engine which hardware it may limit. What cannot be is said,
// and the centre runs all the same: its tasks get less CPU time then.
func (p *program) allowKnobs(eng *local.Engine, w *readyWorld) {
	if err := eng.LimitBy(w.limitBy()); err != nil {
		fmt.Fprintln(p.err, "warning: power.limit_by:", err)
	}
}

// checkKnobs says which hardware of this machine keeps a limit of power, and what a
// centre holds it to.
func checkKnobs(data, world string) []finding {
	var allowed []string
	if file := worldFile(data, world); file != "" {
		if w, _, err := parseWorldFile(file); err == nil {
			allowed = w.Power.LimitBy
		}
	}
	var out []finding
	for _, k := range local.Knobs() {
		out = append(out, knobFinding(&k, slices.Contains(allowed, k.Kind)))
	}
	if data == "" {
		return out
	}
	held := local.HeldBefore(filepath.Join(data, "engine"))
	for _, at := range slices.Sorted(maps.Keys(held)) {
		out = append(out, finding{Name: "power limit held", OK: true, Detail: fmt.Sprintf("%s is held to less than the %s it had", at, kilo(held[at]))})
	}
	return out
}

// knobFinding is one kind of hardware. That there is none is no failure, unless the
// world counts on it.
func knobFinding(k *local.Knob, allowed bool) finding {
	f := finding{Name: "power limits of " + k.Kind, OK: true}
	var parts []string
	for _, x := range k.List {
		text := x.Name + " at " + kilo(x.Now)
		switch {
		case x.Least > 0 && x.Most > 0:
			text += " of " + kilo(x.Least) + " to " + kilo(x.Most)
		case x.Most > 0:
			text += " of at most " + kilo(x.Most)
		}
		parts = append(parts, text)
	}
	if len(parts) == 0 {
		parts = append(parts, "none")
	}
	if k.Err != nil {
		parts = append(parts, strings.ReplaceAll(k.Err.Error(), "\n", "; "))
	}
	f.Detail = strings.Join(parts, ", ")
	switch {
	case allowed && len(k.List) == 0:
		f.OK, f.Fix = false, "take it out of power.limit_by: caps hold tasks by CPU time alone here"
	case allowed && os.Geteuid() != 0:
		f.OK, f.Fix = false, "run the server as root: hardware takes limits from root alone"
	case !allowed && len(k.List) > 0:
		f.Detail += "; not used by caps: power.limit_by does not name it"
	}
	return f
}

// kilo renders milliwatts.
func kilo(milliwatts int64) string { return fmt.Sprintf("%gW", float64(milliwatts)/1000) }
