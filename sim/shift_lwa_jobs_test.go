package sim_test

import (
	"strings"
	"testing"
	"time"

	"tianfu/sim"
)

// TestFixedJobsOffTheSlots names the column and the value of a job that begins or ends
// within a slot.
func TestFixedJobsOffTheSlots(t *testing.T) {
	for row, want := range map[string]string{
		"0,610,330": "j.csv:2: start_minute: 610 is no multiple of 30, the minutes of a slot; ",
		"0,600,335": "j.csv:2: duration_minute: 335 is no multiple of 30, the minutes of a slot; ",
	} {
		if _, err := sim.ReadFixedJobs("j.csv", strings.NewReader("job,start_minute,duration_minute\n"+row+"\n"), 30*time.Minute); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v", row, err)
		}
	}
}
