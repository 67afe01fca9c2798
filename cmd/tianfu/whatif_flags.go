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
	replayAlone = slices.Concat([]string{"protocol", "seeds", "scale", "jobs", "tasks"}, outputFlags, calibrateFlags)
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
	return flagsOf(c, k.name, k.fix, func(flag string) bool { return flag == "against" || k.takes(flag) })
}

// flagsOf refuses flags of a command that what is asked for does not take.
func flagsOf(c *cobra.Command, what, fix string, takes func(flag string) bool) error {
	var wrong []string
	c.Flags().Visit(func(x *pflag.Flag) {
		if c.InheritedFlags().Lookup(x.Name) == nil && !takes(x.Name) {
			wrong = append(wrong, "--"+x.Name)
		}
	})
	do := "do"
	switch len(wrong) {
	case 0:
		return nil
	case 1:
		do = "does"
	}
	return fault.New(fault.Invalid, strings.Join(wrong, ", "), do+" not apply to "+what, fix)
}
