// Package nvml reads the energy counters of NVIDIA accelerators through the
// driver's own library: one channel for each device. It changes no limit and no
// clock. Read nvml.go first; without cgo or off Linux the room has other.go, where
// a meter says that it cannot be read by this build.
package nvml
