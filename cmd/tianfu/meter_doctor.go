package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"tianfu/fault"
	"tianfu/sensor"
)

// checkMeters reads every declared meter once, side by side; without a world
// file what this machine itself has, where none is no failure: the centre then
// models what its nodes draw.
func checkMeters(ctx context.Context, data, world string) []finding {
	world = worldFile(data, world)
	w, err := meterWorld(world)
	if err != nil {
		return nil // the world file's own line says so
	}
	if world != "" && len(w.Meters) == 0 {
		return []finding{{Name: "meters", OK: true, Detail: "none declared: energy is modelled"}}
	}
	out := make([]finding, len(w.Meters))
	var all sync.WaitGroup
	slots := make(chan struct{}, 32)
	for i := range w.Meters {
		m := &w.Meters[i]
		all.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			s, err := openSource(m)
			var samples []sensor.Sample
			if err == nil {
				samples, err = readMeter(ctx, sensor.Meter{Source: s})
			}
			out[i] = meterFinding(m.Name, len(samples), err)
			if world == "" {
				out[i].OK = true
			}
		})
	}
	all.Wait()
	return out
}

func meterFinding(name string, channels int, err error) finding {
	f := finding{Name: "meter " + name, OK: err == nil, Detail: fmt.Sprintf("%d channels", channels)}
	if err == nil {
		return f
	}
	f.Detail, f.Fix = err.Error(), "see: tianfu meter read "+name
	for at := err; at != nil; at = errors.Unwrap(at) {
		if e, ok := at.(*fault.Error); ok && e.Fix != "" {
			f.Fix, f.Detail = e.Fix, strings.TrimSuffix(f.Detail, "; "+e.Fix)
		}
	}
	return f
}
