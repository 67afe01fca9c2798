package sensor

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"tianfu/unit"
)

var testRules = Rules{Refresh: time.Second, MaxGap: 5 * time.Second, Hold: time.Minute, MaxPower: 1_000_000} // 1 kW

// count is a sample of a counter of microjoules at a second.
func count(second int64, n uint64, modulus uint64) Sample {
	return Sample{Channel: "c", Covers: Covers{Level: Node, Path: "n1"}, At: unit.At(second), Tick: 1, Count: n, Modulus: modulus}
}

func power(second int64, mW Milliwatts) Sample {
	return Sample{Channel: "p", Covers: Covers{Level: Node, Path: "n1"}, At: unit.At(second), Kind: Gauge, Power: mW}
}

// told renders readings shortly: from-to energy quality.
func told(readings []Reading) string {
	var out []string
	for _, r := range readings {
		out = append(out, fmt.Sprintf("%d-%d %dmJ %s", r.From.Seconds(), r.To.Seconds(), r.Energy, r.Quality))
	}
	return strings.Join(out, ", ")
}

func run(r Rules, samples []Sample) (readings []Reading, notices []string) {
	t := NewTrack(r)
	for _, s := range samples {
		step := t.Next(s)
		readings, notices = append(readings, step.Readings...), append(notices, step.Notices...)
	}
	return readings, notices
}

func TestCounterRules(t *testing.T) {
	const joule, mod = 1_000_000, 262_143_328_851
	for _, c := range []struct {
		story   string
		samples []Sample
		want    string
		notice  string // part of one of them; empty = none
	}{
		{"the first sample says nothing", []Sample{count(10, 5*joule, 0)}, "", ""},
		{"rises", []Sample{count(10, 5*joule, 0), count(11, 105*joule, 0), count(12, 115*joule, 0)}, "10-11 100000mJ measured, 11-12 10000mJ measured", ""},
		{"what a millijoule does not hold is carried", []Sample{count(1, 0, 0), count(2, 600, 0), count(3, 1200, 0), count(4, 2000, 0)}, "1-2 0mJ measured, 2-3 1mJ measured, 3-4 1mJ measured", ""},
		{"a wrap", []Sample{count(1, mod-40*joule, mod), count(2, 60*joule, mod)}, "1-2 100000mJ measured", ""},
		{"a wrap that nobody can have drawn is held", []Sample{count(1, mod/2, mod), count(2, 60*joule, mod)}, "", "held"},
		{"many wraps in an hour: those that fit the last power", []Sample{count(0, 0, mod), count(1, 300*joule, mod), count(3601, 1080300*joule%mod, mod)}, "0-1 300000mJ measured, 1-3601 1080000000mJ estimated", "wrapped several times"},
		{"repeats and late ones are left out", []Sample{count(1, 0, 0), count(3, 20*joule, 0), count(3, 20*joule, 0), count(2, 10*joule, 0), count(4, 30*joule, 0)}, "1-3 20000mJ measured, 3-4 10000mJ measured", ""},
		{"a gap is bridged", []Sample{count(1, 0, 0), count(2, 10*joule, 0), count(600, 100*joule, 0), count(601, 101*joule, 0)}, "1-2 10000mJ measured, 2-600 90000mJ bridged, 600-601 1000mJ measured", ""},
		{"one zero between is an outlier", []Sample{count(1, 100*joule, 0), count(2, 0, 0), count(3, 120*joule, 0)}, "1-3 20000mJ measured", "left out"},
		{"one height between is an outlier", []Sample{count(1, 100*joule, 0), count(2, 1<<62, 0), count(3, 120*joule, 0)}, "1-3 20000mJ measured", "left out"},
		{"a reset: what was counted since is known", []Sample{count(1, 500*joule, 0), count(2, 30*joule, 0), count(3, 40*joule, 0)}, "1-2 30000mJ estimated, 2-3 10000mJ measured", "began again"},
		{"a reset of a counter that wraps", []Sample{count(1, mod/2, mod), count(2, 30*joule, mod), count(3, 40*joule, mod)}, "1-2 30000mJ estimated, 2-3 10000mJ measured", "began again"},
		{"another instrument: nothing is made up", []Sample{count(1, 500*joule, 0), count(2, 9_000_000*joule, 0), count(3, 9_000_010*joule, 0)}, "1-2 0mJ missing, 2-3 10000mJ measured", "was set"},
		{"a lower one that cannot have begun at 0", []Sample{count(1, 9_000_000*joule, 0), count(2, 8_000_000*joule, 0), count(3, 8_000_010*joule, 0)}, "1-2 0mJ missing, 2-3 10000mJ measured", "was set"},
		{"noise upon noise: the last believed stays", []Sample{count(1, 100*joule, 0), count(2, 7, 0), count(3, 1<<60, 0), count(4, 120*joule, 0)}, "1-4 20000mJ measured", "left out"},
		{"idle for as long as it refreshes is idle", []Sample{count(1, 5, 0), count(2, 5, 0), count(3, 5, 0)}, "1-2 0mJ measured, 2-3 0mJ measured", ""},
		{"at the modulus", []Sample{count(1, 5, 100), count(2, 100, 100), count(3, 7, 100)}, "1-3 0mJ estimated", "not below 100"},
		{"a full int64 of ticks", []Sample{{At: 1, Tick: 1 << 62, Count: 0}, {At: 2, Tick: 1 << 62, Count: 9}}, "", "held"},
		{"no tick", []Sample{{At: 1}}, "", "means nothing"},
		{"the tick changes", []Sample{count(1, 0, 0), {Channel: "c", At: unit.At(2), Tick: 1000, Count: 5}, {Channel: "c", At: unit.At(3), Tick: 1000, Count: 7}}, "1-2 0mJ missing, 2-3 2mJ measured", "begins anew"},
	} {
		readings, notices := run(testRules, c.samples)
		if told(readings) != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.story, told(readings), c.want)
		}
		all := strings.Join(notices, "\n")
		if (c.notice == "") != (all == "") || !strings.Contains(all, c.notice) {
			t.Errorf("%s: notices %q, want %q", c.story, all, c.notice)
		}
	}
}

// TestSlowCounter: a meter that counts once a minute is neither idle between nor
// an outlier when it does.
func TestSlowCounter(t *testing.T) {
	rules := testRules
	rules.Refresh = time.Minute
	var samples []Sample
	for s := range int64(181) {
		samples = append(samples, count(s, uint64(s/60)*60*900*1_000_000, 0)) // 900 W of at most 1,000
	}
	readings, notices := run(rules, samples)
	if told(readings) != "0-60 54000000mJ measured, 60-120 54000000mJ measured, 120-180 54000000mJ measured" || len(notices) > 0 {
		t.Errorf("%s %v", told(readings), notices)
	}
}

func TestGaugeRules(t *testing.T) {
	for _, c := range []struct {
		story   string
		samples []Sample
		want    string
		notice  string
	}{
		{"trapezoids", []Sample{power(0, 100_000), power(2, 200_000), power(3, 200_000)}, "0-2 300000mJ measured, 2-3 200000mJ measured", ""},
		{"a short gap is interpolated", []Sample{power(0, 100_000), power(30, 100_000)}, "0-30 3000000mJ estimated", ""},
		{"a long gap is missing", []Sample{power(0, 100_000), power(90, 100_000), power(91, 100_000)}, "0-90 0mJ missing, 90-91 100000mJ measured", ""},
		{"impossible powers are left out", []Sample{power(0, 100_000), power(1, -5), power(2, 2_000_000), power(3, 100_000)}, "0-3 300000mJ measured", "left out"},
		{"thousandths of a millijoule are carried", []Sample{power(0, 1), {Channel: "p", Kind: Gauge, At: unit.At(0) + 1_500_000, Power: 1}, power(1, 1)}, "0-0 0mJ measured, 0-1 1mJ measured", ""},
		{"years at the largest power", []Sample{power(0, 1_000_000), power(1<<33, 1_000_000)}, "0-8589934592 0mJ missing", ""},
	} {
		readings, notices := run(testRules, c.samples)
		if told(readings) != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.story, told(readings), c.want)
		}
		if all := strings.Join(notices, "\n"); (c.notice == "") != (all == "") || !strings.Contains(all, c.notice) {
			t.Errorf("%s: notices %q", c.story, all)
		}
	}
}

// TestConservation plays random machines to random polling: the readings tile
// the time, and their energies are the counter's rise to the last microjoule,
// through wraps, resets, gaps, outliers, repeats and late samples.
func TestConservation(t *testing.T) {
	for seed := range uint64(400) {
		m := newMachine(seed)
		track := NewTrack(m.rules)
		open, sum := m.first.At, uint64(0)
		take := func(samples ...Sample) {
			for _, s := range samples {
				for _, r := range track.Next(s).Readings {
					if r.From != open || r.To <= r.From || r.Energy < 0 {
						t.Fatalf("seed %d: %d mJ from %v to %v, the reading before ended at %v", seed, r.Energy, r.From, r.To, open)
					}
					open = r.To
					sum += uint64(r.Energy)
				}
			}
		}
		take(m.first)
		for range 500 {
			take(m.next()...)
		}
		if track.rest%picoPerMicro != 0 || sum*1000+track.rest/picoPerMicro != m.drawn*uint64(m.first.Tick) {
			t.Fatalf("seed %d: handed on %d mJ and %d pJ; the counter rose by %d counts of %d µJ", seed, sum, track.rest, m.drawn, m.first.Tick)
		}
	}
}

// machine draws at random below what its rules allow.
type machine struct {
	*rand.Rand
	rules       Rules
	first, last Sample
	drawn       uint64 // counts since the first sample that a meter can know of
}

func newMachine(seed uint64) *machine {
	m := &machine{Rand: rand.New(rand.NewPCG(seed, 4)), rules: testRules}
	s := Sample{Channel: "c", At: unit.At(1_700_000_000), Count: m.Uint64N(1 << 31)}
	s.Modulus = []uint64{0, 0, 1 << 32, 262_143_328_851}[m.IntN(4)]
	s.Tick = []Microjoules{1, 15, 1000, 36_000_000_000}[m.IntN(4)]
	switch {
	case s.Tick > 1000:
		m.rules.MaxPower = 1 << 39 // a site's meter: half a gigawatt
	case s.Modulus == 1<<32:
		m.rules.MaxPower = 50_000 // so that the longest gap holds one wrap at the most
	}
	m.first, m.last = s, s
	return m
}

// next returns the samples of one poll, in the order they arrive.
func (m *machine) next() []Sample {
	seconds := 1 + m.Int64N(3)
	if m.IntN(20) == 0 {
		seconds += m.Int64N(60)
	}
	s := m.last
	s.At = s.At.Add(time.Duration(seconds)*time.Second + time.Duration(m.Int64N(1e9)))
	perSecond := uint64(m.rules.MaxPower) * 1000 / uint64(s.Tick)
	most := perSecond * uint64(seconds) * 9 / 10
	if s.Modulus > 0 {
		most = min(most, s.Modulus/4)
	}
	d := m.Uint64N(most + 1)
	before := m.last
	m.last = s
	switch n := m.IntN(40); {
	case n == 0 && s.Modulus == 0 && s.Count > 4*perSecond*70:
		// It is set to 0, and counts on: what it counted since is known, from the
		// second sample on that says so.
		m.last.Count = d
		m.drawn += d
		again := m.last
		again.At++
		s, m.last = m.last, again
		return []Sample{s, again}
	case n < 3 && s.Modulus == 0:
		m.advance(d)
		wrong := m.last
		wrong.At, wrong.Count = wrong.At-1, 1<<62
		return []Sample{wrong, m.last}
	case n < 6:
		m.advance(d)
		return []Sample{m.last, m.last, before}
	}
	m.advance(d)
	return []Sample{m.last}
}

func (m *machine) advance(d uint64) {
	m.drawn += d
	m.last.Count += d
	if m.last.Modulus > 0 {
		m.last.Count %= m.last.Modulus
	}
}

// TestConservationWhateverThePolling reads one machine at random subsets of its
// instants: the total is what it drew.
func TestConservationWhateverThePolling(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	const mod = 262_143_328_851
	var all []Sample
	drawn := uint64(0)
	for s := range int64(2000) {
		if s > 0 {
			drawn += rng.Uint64N(900_000_000)
		}
		all = append(all, count(s, drawn%mod, mod))
	}
	for range 50 {
		track := NewTrack(testRules)
		total := uint64(0)
		for i, s := range all {
			if i == 0 || i == len(all)-1 || rng.IntN(3) == 0 {
				for _, r := range track.Next(s).Readings {
					total += uint64(r.Energy)
				}
			}
		}
		if total = total*1000 + track.rest/picoPerMicro; total != drawn {
			t.Fatalf("handed on %d of %d µJ", total, drawn)
		}
	}
}
