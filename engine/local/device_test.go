package local

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"tianfu/engine"
	"tianfu/fault"
)

func TestDeviceVariables(t *testing.T) {
	e := open(t, Options{Dir: stateDir(t)})
	two := []engine.Device{{Index: 1}, {Index: 3}}
	named := []engine.Device{{Index: 1, UUID: "GPU-a"}, {Index: 3, UUID: "GPU-b"}}
	for _, c := range []struct {
		stack   string
		devices []engine.Device
		want    []string
	}{
		{"cuda", two, []string{"CUDA_DEVICE_ORDER=PCI_BUS_ID", "CUDA_VISIBLE_DEVICES=1,3"}},
		{"cuda", named, []string{"CUDA_VISIBLE_DEVICES=GPU-a,GPU-b"}},
		{"cann", two, []string{"ASCEND_RT_VISIBLE_DEVICES=1,3"}},
		{"rocm", two, []string{"HIP_VISIBLE_DEVICES=1,3"}},
		{"dtk", two, []string{"HIP_VISIBLE_DEVICES=1,3"}},
		{"neuware", two, []string{"MLU_VISIBLE_DEVICES=1,3"}},
		{"", nil, []string{"ASCEND_RT_VISIBLE_DEVICES=", "CUDA_VISIBLE_DEVICES=", "HIP_VISIBLE_DEVICES="}},
	} {
		o := engine.Order{Stack: c.stack, Devices: c.devices, Env: map[string]string{"CUDA_VISIBLE_DEVICES": "0,1,2,3,4,5,6,7"}}
		sp, err := e.site.plan(o, taskDir(t.TempDir()))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, kv := range sp.Env {
			if strings.Contains(kv, "DEVICE") && (c.stack == "cuda" || !strings.HasPrefix(kv, "CUDA") || c.stack == "") {
				got = append(got, kv)
			}
		}
		if slices.Sort(got); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.stack, got, c.want)
		}
	}
	o := engine.Order{Stack: "other", Devices: two}
	if _, err := e.site.plan(o, taskDir(t.TempDir())); fault.KindOf(err) != fault.Denied || err == nil {
		t.Errorf("an unknown stack: %v", err)
	}
}

func TestParseSMI(t *testing.T) {
	text := "0, GPU-1b6c, NVIDIA H100 80GB HBM3, 81559\n1, GPU-77aa, NVIDIA GB10, [N/A]\nNo devices were found\nx, GPU-1, a, 1\n2, MIG-3, a, 1\n"
	want := []engine.Accelerator{
		{Index: 0, UUID: "GPU-1b6c", Model: "NVIDIA H100 80GB HBM3", Memory: 81559, Stack: "cuda", By: "NVML (nvidia-smi)"},
		{Index: 1, UUID: "GPU-77aa", Model: "NVIDIA GB10", Stack: "cuda", By: "NVML (nvidia-smi)"},
	}
	if got := parseSMI(text); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v", got)
	}
}

func FuzzParseSMI(f *testing.F) {
	f.Add("0, GPU-1b6c, NVIDIA H100 80GB HBM3, 81559\n")
	f.Add("0, \"GPU-1, x, 1\n")
	f.Fuzz(func(t *testing.T, text string) {
		for _, a := range parseSMI(text) {
			if a.Index < 0 || a.Stack != "cuda" {
				t.Errorf("%+v", a)
			}
		}
	})
}

// tree writes files into a directory that stands for the kernel's.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestDriverFiles(t *testing.T) {
	root := tree(t, map[string]string{
		"0000:3b:00.0/information": "Model: \t\t NVIDIA A100-SXM4-40GB\nIRQ:   \t\t 100\nGPU UUID: \t GPU-b\n",
		"0000:18:00.0/information": "Model: \t\t NVIDIA A100-SXM4-40GB\nGPU UUID: \t GPU-????????-????\n",
	})
	got := nvidiaFiles(root)
	if len(got) != 2 || got[0].UUID != "" || got[1].UUID != "GPU-b" || got[1].Index != 1 || got[0].Model != "NVIDIA A100-SXM4-40GB" {
		t.Errorf("%+v", got)
	}
	root = tree(t, map[string]string{
		"0/properties":              "cpu_cores_count 64\nsimd_count 0\n",
		"10/properties":             "simd_count 304\ngfx_target_version 90402\n",
		"2/properties":              "simd_count 440\ngfx_target_version 90010\n",
		"2/mem_banks/0/properties":  "heap_type 1\nsize_in_bytes 68702699520\n",
		"10/mem_banks/0/properties": "size_in_bytes 206141652992\n",
	})
	amds := amd(root)
	if len(amds) != 2 || amds[0].Model != "gfx90010" || amds[0].Memory != 65520 || amds[1].Index != 1 || amds[1].Memory != 196592 {
		t.Errorf("%+v", amds)
	}
	npus := ascend(tree(t, map[string]string{"davinci0": "", "davinci11": "", "davinci2": "", "davinci_manager": ""}))
	if len(npus) != 3 || npus[1].Index != 2 || npus[2].Index != 11 || npus[0].Stack != "cann" {
		t.Errorf("%+v", npus)
	}
}
