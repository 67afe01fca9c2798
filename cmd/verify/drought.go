package main

import (
	"fmt"
	"time"
)

// powerTree runs the long form of the property that no plan brings an area of the
// power tree above what it may draw.
func (t *table) powerTree() error {
	out, err := goTest(20*time.Minute, nil, "-run", "^TestNoPlanExceedsAnArea$", "./control")
	measured := "passed"
	if err != nil {
		measured = "failed"
		fmt.Println(tail(out, 20))
	}
	t.add(err == nil, "power tree property: 400 random centres, no plan exceeds an area", "passed", measured)
	return nil
}

// droughtWeek holds the openb fleet to 70 % of its power for six days, as the
// hydro drought of 2022 did.
func (t *table) droughtWeek() error {
	var d struct {
		Runs []struct {
			Power struct {
				Over      float64 `json:"over_limit_after_compliance_s"`
				Protected float64 `json:"over_limit_by_protected_work_alone_s"`
				Comply    float64 `json:"longest_time_to_comply_s"`
				Suspended int     `json:"tasks_suspended"`
				Evicted   int     `json:"tasks_evicted"`
				Running   int     `json:"tier1_tasks_running_at_first_shed"`
				Shed      int     `json:"tier1_tasks_shed"`
			}
		}
	}
	o, err := t.run(&d, nil, "replay", "--nodes", t.file("traces/openb/openb_node_list_all_node.csv"),
		"--tasks", t.file("traces/openb/openb_pod_list_default.csv"), "--load", "0.95", "--days", "7", "--warm", "--tiers",
		"--cap", "site=openb 70% from=1d for=6d")
	if err != nil {
		return err
	}
	if len(d.Runs) == 0 {
		return fmt.Errorf("replay: no run in its document")
	}
	p := &d.Runs[0].Power
	t.atMost("drought week: openb, 70 % for 6 days, processor time", 180, o.processor, "s")
	t.add(p.Running > 0 && p.Shed == 0 && p.Suspended+p.Evicted > 0, "drought week: tier 1 tasks shed, of those running", "0", fmt.Sprintf("%d of %d; %d below it", p.Shed, p.Running, p.Suspended+p.Evicted))
	t.atMost("drought week: over the limit with work below tier 1", 0, p.Over, "s")
	t.add(p.Comply > 0, "drought week: time to comply, and over by tier 1 alone", "reported", fmt.Sprintf("%.0f s, %.0f s", p.Comply, p.Protected))
	return nil
}
