//go:build !linux || !cgo

package nvml

import (
	"context"

	"tianfu/fault"
	"tianfu/sensor"
)

// Source cannot be read by this build.
type Source struct{}

// New makes a source that says why it cannot be read.
func New(string) *Source { return &Source{} }

// Read serves sensor.Source.
func (s *Source) Read(context.Context) ([]sensor.Sample, error) {
	return nil, fault.New(fault.Unavailable, "nvml", "this build cannot load the driver's library", "build on Linux with cgo")
}

// Close serves sensor.Source.
func (s *Source) Close() error { return nil }
