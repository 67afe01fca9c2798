//go:build !linux || !cgo

package local

import "tianfu/fault"

// nothing stands in where this build cannot load the driver's library.
type nothing struct{}

func newNVML() knob { return nothing{} }

func (nothing) list() ([]Limited, error) {
	return nil, fault.New(fault.Unavailable, "nvml", "this build cannot load the driver's library", "build on Linux with cgo")
}
func (n nothing) set(string, int64) error { _, err := n.list(); return err }
func (nothing) close()                    {}
