package main

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tianfu/fault"
)

// Flags that are of one kind of period alone. A file's period takes those of a
// replay in time.
var (
	centreFlags = []string{"server", "context", "token-file"}
	backupFlags = []string{"dir", "plant", "chiller"}
	// What a replay writes, and what its other protocols take.
	replayAlone = []string{"protocol", "seeds", "scale", "html", "parquet", "charges", "receipt", "jobs", "tasks",
		"calibrate-start", "calibrate-every", "calibrate-draws", "calibrate-steps"}
)

// periodKind is what a period is taken from.
type periodKind struct {
	name  string
	takes func(flag string) bool
	fix   string
}

var (
	ofCentre = periodKind{"a period of the running centre", func(x string) bool { return slices.Contains(centreFlags, x) },
		"its records say what ran, where and at what hours; with it go --" + strings.Join(centreFlags, ", --") + ". Say what is to differ in the change"}
	ofBackup = periodKind{"a backup", func(x string) bool { return slices.Contains(backupFlags, x) },
		"its records say what ran, where and at what hours; with it go --" + strings.Join(backupFlags, ", --") + ". Say what is to differ in the change"}
	ofFile = periodKind{"a file's period", func(x string) bool {
		return !slices.Contains(centreFlags, x) && !slices.Contains(replayAlone, x)
	}, "leave them out; with it go the flags that tianfu whatif --help lists, but for those of a centre"}
)

// check refuses flags that mean nothing for a kind of period: passed over, they
// would leave a wrong answer.
func (k *periodKind) check(c *cobra.Command) error {
	var wrong []string
	c.Flags().Visit(func(x *pflag.Flag) {
		if x.Name != "against" && c.InheritedFlags().Lookup(x.Name) == nil && !k.takes(x.Name) {
			wrong = append(wrong, "--"+x.Name)
		}
	})
	if len(wrong) == 0 {
		return nil
	}
	return fault.New(fault.Invalid, strings.Join(wrong, ", "), doesNot(len(wrong))+" not apply to "+k.name, k.fix)
}

func doesNot(n int) string {
	if n == 1 {
		return "does"
	}
	return "do"
}
