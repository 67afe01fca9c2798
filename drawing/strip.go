package drawing

import (
	"math"
	"slices"
)

// Strip is a band of cells under a chart, over the same x axis: the darker a
// cell, the more. Cells are in order of x; between them may be gaps.
type Strip struct {
	Name, Unit  string
	From, To, Y []float64
}

// stripLevels are the classes of the heat ramp that a strip uses, light to dark.
var stripLevels = [...]string{"q1", "q2", "q3", "q4", "q5", "q6"}

func (s *Strip) bounds() (least, most float64) { return slices.Min(s.Y), slices.Max(s.Y) }

// level is which of the levels a value has: equal steps from the least to the
// most.
func (s *Strip) level(v float64) int {
	least, most := s.bounds()
	if most <= least {
		return len(stripLevels) / 2
	}
	return min(int((v-least)/(most-least)*float64(len(stripLevels))), len(stripLevels)-1)
}

// draw adds the band: one path for each level.
func (s *Strip) draw(p *plotter) {
	p.m.printf(`<div class="strip" aria-hidden="true"><svg class="cells" viewBox="0 0 %g 1" preserveAspectRatio="none">`, plotX)
	var paths [len(stripLevels)]markup
	for i := range s.Y {
		from, to := max(p.px(s.From[i]), 0), min(p.px(s.To[i]), plotX)
		if to > from {
			paths[s.level(s.Y[i])].printf("M%s .5h%s", fix(from), fix(to-from))
		}
	}
	for i := range paths {
		if paths[i].Len() > 0 {
			p.m.printf(`<path class="%s" d="%s"/>`, stripLevels[i], paths[i].String())
		}
	}
	p.m.WriteString(`</svg></div>`)
}

// legend is the key of the band, with the least and the most that it shows.
func (s *Strip) legend(m *markup) {
	least, most := s.bounds()
	m.WriteString(`<ul class="legend ramp"><li>`)
	m.text("strip: " + s.Name + ", " + s.Unit)
	m.WriteString(`</li>`)
	if most <= least {
		m.printf(`<li><i class="%s"></i>%s</li>`, stripLevels[s.level(least)], Number(least))
	} else {
		for i, class := range stripLevels {
			step := (most - least) / float64(len(stripLevels))
			m.printf(`<li><i class="%s"></i>%s</li>`, class, Number(math.Round(least+float64(i)*step))+" to "+Number(math.Round(least+float64(i+1)*step)))
		}
	}
	m.WriteString(`</ul>`)
}

// at is the value at x.
func (s *Strip) at(x float64) (float64, bool) {
	k, found := slices.BinarySearch(s.From, x)
	if !found {
		k--
	}
	if k < 0 || x > s.To[k] {
		return 0, false
	}
	return s.Y[k], true
}

// cell is the value at x in words; nothing in a gap.
func (s *Strip) cell(x float64) string {
	if v, ok := s.at(x); ok {
		return Number(v)
	}
	return ""
}
