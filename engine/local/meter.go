package local

import (
	"encoding/json"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"tianfu/engine"
	"tianfu/unit"
)

// sampleEvery is how often memory is read while a task runs.
const sampleEvery = time.Second

// meter adds up what a task uses. CPU time and peak memory come from the
// kernel's counters and miss nothing. Memory over time is the trapezoidal sum
// over samples a second apart; a task too short for a sample is charged its
// peak for all its time.
type meter struct {
	cg      *cgroup
	at      time.Time
	bytes   int64 // at the last sample
	sum     float64
	samples int
}

func (m *meter) start(cg *cgroup) { m.cg, m.at = cg, time.Now() }

func (m *meter) sample(began unit.Instant) engine.Usage {
	var u engine.Usage
	t := time.Now()
	if m.cg != nil {
		var bytes int64
		u, bytes = m.cg.usage()
		if m.samples == 0 {
			m.bytes = bytes
		}
		m.sum += float64(m.bytes+bytes) / 2 * t.Sub(m.at).Seconds()
		m.bytes, m.samples = bytes, m.samples+1
	}
	m.at = t
	u.ByteSeconds = int64(m.sum)
	u.WallMicros = now().Sub(began).Microseconds()
	return u
}

// end is called when nothing of the task is left. Without a cgroup the kernel's
// accounts of ended children stand in.
func (m *meter) end(began unit.Instant, children func() unix.Rusage) engine.Usage {
	var u engine.Usage
	if m.cg != nil {
		u, _ = m.cg.usage()
	}
	u.WallMicros = max(0, now().Sub(began).Microseconds())
	ru := children()
	if m.cg == nil || !m.cg.site.has("cpu") && u.CPUMicros == 0 {
		u.CPUMicros = ru.Utime.Nano()/1000 + ru.Stime.Nano()/1000
	}
	if m.cg == nil || !m.cg.site.has("memory") {
		u.MemoryPeak = ru.Maxrss << 10
	}
	if m.samples == 0 {
		m.sum = float64(u.MemoryPeak) * float64(u.WallMicros) / 1e6
	} else {
		m.sum += float64(m.bytes) * time.Since(m.at).Seconds()
	}
	u.ByteSeconds = int64(m.sum)
	return u
}

const usageBytes = 512

// writeUsage keeps the last sample where the server can read it. It is written
// in place: a record of one size, in one write.
func (d taskDir) writeUsage(u engine.Usage) error {
	data, err := json.Marshal(u)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(d.path(fileUsage), os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteAt(padded(data, usageBytes), 0)
	return err
}
