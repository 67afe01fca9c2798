package fleet

import "tianfu/unit"

// Traits are what the scheduler must know of an accelerator model beyond its
// name. World.Fleet fills them from the catalogue; a trace has none.
type Traits struct {
	Memory     unit.MiB // of one device
	Precisions []string // lower case: "fp16", "bf16", "fp8", "int8" ...
	Stack      string   // "cuda", "cann", "neuware", "dtk", "ppu"
	FP16TFLOPS float64  // dense FP16/BF16 peak of one device, 10^12/s; 0 = not published
	Maker      string
	// ComputeSlices and MemorySlices are what one device divides into; 0 when
	// it cannot be partitioned in hardware.
	ComputeSlices, MemorySlices int
	Profiles                    []Profile
}

// Profile is a hardware partition: so many slices of a device's compute and
// memory (NVIDIA MIG user guide; Ascend vNPU templates).
type Profile struct {
	Name            string
	Compute, Memory int
}
