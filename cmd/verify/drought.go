package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
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
	const most = 3 * time.Minute
	what := "drought week: openb at 95 % load, 70 % of its power for 6 days"
	ctx, cancel := context.WithTimeout(context.Background(), most)
	defer cancel()
	out, err := exec.CommandContext(ctx, t.binary, "replay", "--nodes", t.file("traces/openb/openb_node_list_all_node.csv"),
		"--tasks", t.file("traces/openb/openb_pod_list_default.csv"), "--load", "0.95", "--days", "7", "--warm", "--tiers",
		"--cap", "site=openb 70% from=1d for=6d", "-o", "json").Output()
	asked := fmt.Sprintf("done in %s, no tier 1 shed", most)
	if ctx.Err() != nil {
		t.add(false, what, asked, "not done in "+most.String())
		return nil
	}
	if err != nil {
		return fmt.Errorf("replay: %w", err)
	}
	var d struct {
		Runs []struct {
			Power struct {
				Over    float64 `json:"over_limit_after_compliance_s"`
				Comply  float64 `json:"longest_time_to_comply_s"`
				Running int     `json:"tier1_tasks_running_at_first_shed"`
				Shed    int     `json:"tier1_tasks_shed"`
			}
		}
	}
	if err := json.Unmarshal(out, &d); err != nil {
		return err
	}
	if len(d.Runs) == 0 {
		return fmt.Errorf("replay: no run in its document")
	}
	p := &d.Runs[0].Power
	t.add(p.Running > 0 && p.Shed == 0 && p.Over == 0, what, asked,
		fmt.Sprintf("%d of %d tier 1 shed, complied in %.0f s, %.0f s over after", p.Shed, p.Running, p.Comply, p.Over))
	return nil
}
