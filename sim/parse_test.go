package sim_test

import (
	"bytes"
	"reflect"
	"strings"
	"testing"

	"tianfu/fault"
	"tianfu/sim"
)

var jobSeeds = []string{
	"name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec,qos,pod_phase,creation_time,deletion_time,scheduled_time\np1,1000,2048,1,500,V100M16|V100M32,BE,Running,5,100,7\np2,1000,2048,8,1000,,LS,Pending,6,100,\n",
	"job_name,organization,gpu_model,cpu_request,gpu_request,worker_num,submit_time,duration,job_type\nj1,org,A10,12.5,1,2,0,60,HP\nj2,org,H800,4,0.5,1,10,60,Spot\n",
	"name,tenant,queue,class,priority,submit_s,run_s,expected_s,tasks,gang,cpu_milli,memory_mib,accelerators,share_milli,models,preemptible,topology\na,t,,batch,1,0.5,60,0,2,true,1000,10,1,1000,T4|P100,false,must:segment\n",
	`{"name":"a","tenant":"t","priority":0,"submit_s":1,"run_s":5,"tasks":1,"cpu_milli":1000,"memory_mib":10,"accelerators":1,"share_milli":250,"partition":"1g","precisions":"bf16|fp8","start_by_s":9}` + "\n",
	"; UnixStartTime: 0\n1 0 5 10 4 -1 -1 4 20 -1 1 1 1 1 1 1 -1 -1\n2 3 -1 10 4 -1 -1 4 20 -1 1 1 1 1 1 1 -1 -1\n",
}

// FuzzReadJobs holds every reader of workloads to: no panic, an error that says
// where, and what was read can be written and read again unchanged.
func FuzzReadJobs(f *testing.F) {
	for _, s := range jobSeeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		w, err := sim.ReadJobs("jobs", bytes.NewReader(data), sim.JobOptions{Processors: 8})
		if err != nil {
			checkError(t, err, "jobs")
			return
		}
		if !w.Timed || len(w.Jobs) == 0 {
			return
		}
		for _, jsonl := range []bool{false, true} {
			again := rewrite(t, w, jsonl)
			for i := range w.Jobs {
				a, b := w.Jobs[i], again.Jobs[i]
				if len(a.Spec.Groups) != 1 || a.Run < 0 {
					continue
				}
				if !reflect.DeepEqual(a.Spec.Groups[0].Request.Models, b.Spec.Groups[0].Request.Models) ||
					a.Spec.Groups[0].Request.CPU != b.Spec.Groups[0].Request.CPU || a.Spec.Priority != b.Spec.Priority ||
					a.Spec.Topology != b.Spec.Topology || a.Spec.Groups[0].Request.Partition != b.Spec.Groups[0].Request.Partition {
					t.Fatalf("job %d changed: %+v became %+v", i, a.Spec, b.Spec)
				}
			}
		}
	})
}

func rewrite(t *testing.T, w *sim.Workload, jsonl bool) *sim.Workload {
	t.Helper()
	var b bytes.Buffer
	if err := sim.WriteJobs(&b, w, jsonl); err != nil {
		t.Fatal(err)
	}
	again, err := sim.ReadJobs("again", &b, sim.JobOptions{})
	if err != nil {
		t.Fatalf("what was written is not read: %v\n%s", err, b.String())
	}
	if len(again.Jobs) != len(w.Jobs) {
		t.Fatalf("%d jobs became %d", len(w.Jobs), len(again.Jobs))
	}
	return again
}

func checkError(t *testing.T, err error, name string) {
	t.Helper()
	if fault.KindOf(err) != fault.Invalid {
		t.Fatalf("bad input is %v: %v", fault.KindOf(err), err)
	}
	if !strings.HasPrefix(err.Error(), name) {
		t.Fatalf("the error does not say where: %v", err)
	}
}

// FuzzReadNodes does the same for lists of nodes.
func FuzzReadNodes(f *testing.F) {
	f.Add([]byte("sn,cpu_milli,memory_mib,gpu,model\nn1,64000,262144,2,P100\nn2,64000,262144,0,\n"))
	f.Add([]byte("node_name,gpu_model,gpu_capacity_num,cpu_num\nn1,A10,1,128\n"))
	f.Add([]byte("name,cpu_milli,memory_mib,accelerators,model,site,hall,rack,segment,pod\nn1,1000,10,8,A100,s,h,r,seg,p\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		fl, err := sim.ReadNodes("nodes", bytes.NewReader(data))
		if err != nil {
			checkError(t, err, "nodes")
			return
		}
		var b bytes.Buffer
		if err := sim.WriteNodes(&b, fl); err != nil {
			t.Fatal(err)
		}
		again, err := sim.ReadNodes("again", &b)
		if err != nil {
			t.Fatalf("what was written is not read: %v", err)
		}
		for i := range fl.Nodes {
			a, b := fl.Nodes[i], again.Nodes[i]
			if a.ID != b.ID || a.CPU != b.CPU || a.Memory != b.Memory || a.Model != b.Model || len(a.Devices) != len(b.Devices) || a.Segment != b.Segment {
				t.Fatalf("node %d changed: %+v became %+v", i, a, b)
			}
		}
	})
}

// TestReadJobs shows what each format becomes.
func TestReadJobs(t *testing.T) {
	w, err := sim.ReadJobs("openb", strings.NewReader(jobSeeds[0]), sim.JobOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if j := w.Jobs[0]; j.Run.Seconds() != 93 || len(j.Spec.Groups[0].Request.Models) != 2 || j.Spec.Groups[0].Request.Share != 500 {
		t.Errorf("openb: %+v run %v", j.Spec.Groups[0].Request, j.Run)
	}
	w, err = sim.ReadJobs("spot", strings.NewReader(jobSeeds[1]), sim.JobOptions{})
	if err != nil {
		t.Fatal(err)
	}
	hp, spot := w.Jobs[0].Spec, w.Jobs[1].Spec
	if hp.Priority <= spot.Priority || hp.Preemptible || !spot.Preemptible || hp.Tasks() != 2 || hp.Groups[0].Request.CPU != 12500 || spot.Groups[0].Request.Share != 500 || hp.Tenant != "org" {
		t.Errorf("spot: %+v and %+v", hp, spot)
	}
	w, err = sim.ReadJobs("log", strings.NewReader(jobSeeds[4]), sim.JobOptions{Processors: 8})
	if err != nil {
		t.Fatal(err)
	}
	if j := w.Jobs[0]; j.Run.Seconds() != 10 || j.Spec.Groups[0].Request.CPU != 4000 {
		t.Errorf("swf: %+v run %v", j.Spec.Groups[0].Request, j.Run)
	}
}
