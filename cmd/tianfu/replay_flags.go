package main

import (
	"slices"

	"github.com/spf13/cobra"

	"tianfu/fault"
)

// Flags of replay by the protocol that looks at them. The protocol in time looks at
// all but a few.
var (
	inflateFlags  = []string{"nodes", "world", "fleet-copies", "tasks", "jobs", "policy", "power", "seeds", "html"}
	backfillFlags = []string{"tasks", "jobs", "processors", "scale", "estimates", "backfill", "html"}
	notTimeFlags  = []string{"seeds", "scale"}

	outputFlags    = []string{"html", "parquet", "charges", "receipt"}
	calibrateFlags = []string{"calibrate-start", "calibrate-every", "calibrate-draws", "calibrate-steps"}
	waitFlags      = []string{"shift", "forecast", "wish", "carbon-price", "slack", "pausable"}
	// compare has figures of all seeds alone, and draws them itself.
	notCompareFlags = slices.Concat([]string{"policy", "seed", "scale"}, outputFlags, calibrateFlags, waitFlags)
)

// checkFlags refuses flags that the run would pass over in silence: those of another
// protocol, and those that mean nothing without another.
func (f *replayFlags) checkFlags(c *cobra.Command, takes func(flag string) bool) error {
	err := flagsOf(c, c.Name()+" with --protocol "+f.protocol, "leave them out, or choose another protocol; --help says which is for which",
		func(flag string) bool { return flag == "protocol" || takes(flag) })
	if err != nil {
		return err
	}
	return f.checkNeeds(c)
}

// takes tells whether replay looks at a flag.
func (f *replayFlags) takes(flag string) bool {
	switch f.protocol {
	case "inflate":
		return slices.Contains(inflateFlags, flag)
	case "backfill":
		return slices.Contains(backfillFlags, flag)
	}
	return !slices.Contains(notTimeFlags, flag)
}

// takesToCompare tells whether compare does.
func (f *replayFlags) takesToCompare(flag string) bool {
	return flag == "seeds" || f.takes(flag) && !slices.Contains(notCompareFlags, flag)
}

// checkNeeds refuses flags that say more of another one that was not given.
func (f *replayFlags) checkNeeds(c *cobra.Command) error {
	site, limits, shift := &f.site, &f.limits, &f.shift
	priced, carbon := site.tariff != "" || site.price != "" || f.world != "", site.carbon != "" || f.world != "" // or the world may know
	ofFile := c.Flags().Lookup("against") != nil                                                                 // a change may bring weather and prices of its own
	for _, x := range []struct {
		flags []string
		met   bool
		fix   string
	}{
		{[]string{"warm", "days"}, f.load != 0, "tasks are drawn with --load only; add it"},
		{[]string{"mttr"}, f.mtbf != 0, "nodes fail with --mtbf only; add it"},
		{waitFlags[1:], shift.policies != "", "work is put off with --shift only; add it"},
		{[]string{"wish"}, carbon || shift.wish != "carbon", "nothing is known of carbon; add --carbon"},
		{[]string{"carbon-price"}, carbon, "nothing is known of carbon; add --carbon"},
		{[]string{"wish"}, priced || shift.wish == "carbon", "nothing is known of prices; add --tariff or --price"},
		{calibrateFlags[1:], f.calibrate, "add --calibrate-start"},
		{append([]string{"shift"}, outputFlags...), !f.calibrate, "--calibrate-start holds estimates to what became of them and does nothing else; leave one of both out"},
		{[]string{"plant", "chiller"}, site.weather != "" || ofFile, "a plant is driven by --weather; add it"},
		{[]string{"start", "meter-every"}, site.on() || ofFile, "a ledger is kept with --carbon, --carbon-market, --weather, --tariff or --price; add one"},
		{[]string{"solar"}, site.on(), "the sun needs a date: with --carbon, --weather, --tariff or --price a replay has one; add one"},
		{[]string{"overhead"}, len(limits.caps) > 0 || limits.limit != "", "power is limited with --cap or --power-limit; add one"},
		{[]string{"protect"}, len(limits.caps) > 0 || limits.limit != "" || f.world != "", "power is limited with --cap, --power-limit or a world; add one"},
		{[]string{"nodes"}, f.world == "", "--world has nodes of its own; leave one of both out"},
		{[]string{"jobs"}, f.tasks == "", "it is the same as --tasks; leave one of both out"},
	} {
		for _, name := range x.flags {
			if c.Flags().Changed(name) && !x.met {
				return fault.New(fault.Invalid, "--"+name, "would have no effect", x.fix)
			}
		}
	}
	return nil
}
