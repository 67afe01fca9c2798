package energy

// This file holds the built-in chillers as curves of our own: Chebyshev
// polynomials in temperature and part-load ratio, fitted by least squares to
// COPs sampled from the regression that Lei and Masanet published with
// "Climate- and technology-specific PUE and WUE estimations for U.S. data
// centers using a hybrid statistical and thermodynamics-based approach"
// (Resources, Conservation & Recycling 2022, doi
// 10.1016/j.resconrec.2022.106323; code at
// github.com/nuoaleon/Data-Center-Water-footprint). Their regression was
// trained on condenser water of 15.6 to 29.4 C and outdoor air of 15 to 35 C
// (dx: 1 to 40 C); outside the ranges below the curve is clamped, as theirs is
// meant to be. A load grid (ParseChiller) replaces a curve.
//
// Largest error of a COP at the 480, 336 and 40 points fitted:
// water_cooled 0.0002, air_cooled 0.0002, dx 0.0002. At a COP of 6 that moves a
// PUE by 1e-5.

// curve is a sum over i, j of weight[i][j] T_i(t) T_j(p), with t and p the
// temperature and the part-load ratio scaled to -1..1.
type curve struct {
	temps  [2]float64 // C
	loads  [2]float64 // part-load ratio; equal where it does not matter
	step   float64    // K between the nodes it is read at
	weight [][]float64
}

// loadStep is how far apart part-load ratios are where the curve is read; the
// published COPs were sampled at these and are read linearly between them.
const loadStep = 0.05

// BuiltInChiller returns the published chiller of a kind.
func BuiltInChiller(kind ChillerKind) *Chiller {
	switch kind {
	case AirCooled:
		return airCooledCurve().table(kind)
	case DirectExpansion:
		return directExpansionCurve().table(kind)
	}
	return waterCooledCurve().table(WaterCooled)
}

// table reads the curve at its nodes.
func (c curve) table(kind ChillerKind) *Chiller {
	out := &Chiller{temps: nodes(c.temps, c.step), loads: nodes(c.loads, loadStep)}
	for _, t := range out.temps {
		line := make([]float64, len(out.loads))
		for j, l := range out.loads {
			line[j] = c.at(t, l)
		}
		out.cop = append(out.cop, line)
	}
	return out
}

// nodes returns both ends and every step between.
func nodes(ends [2]float64, step float64) []float64 {
	n := int((ends[1]-ends[0])/step + 0.5)
	out := make([]float64, n+1)
	for i := range out {
		out[i] = ends[0] + float64(i)*step
	}
	return out
}

// at evaluates the polynomial.
func (c curve) at(celsius, load float64) float64 {
	t := 2*(celsius-c.temps[0])/(c.temps[1]-c.temps[0]) - 1
	p := 0.0
	if c.loads[1] > c.loads[0] {
		p = 2*(load-c.loads[0])/(c.loads[1]-c.loads[0]) - 1
	}
	byTemp := make([]float64, len(c.weight))
	for i, w := range c.weight {
		byTemp[i] = chebyshev(w, p)
	}
	return chebyshev(byTemp, t)
}

// chebyshev sums w[i] T_i(x) by Clenshaw's rule.
func chebyshev(w []float64, x float64) float64 {
	var b1, b2 float64
	for i := len(w) - 1; i > 0; i-- {
		b1, b2 = 2*x*b1-b2+w[i], b1
	}
	return x*b1 - b2 + w[0]
}

func waterCooledCurve() curve {
	return curve{temps: [2]float64{15.5, 30}, loads: [2]float64{0.25, 1}, step: 0.5, weight: [][]float64{
		{6.74331, 0.84556, -0.46399, 0.00625, 0.06746, -0.04785, 0.07596, 0.00952, -0.0203, -0.00112, 0.00279},
		{-0.93708, -0.26674, 0.0157, 0.00101, -0.01256, 0.00961, 0.0061, -0.00164, -0.00088, 0.00016, 0.00008},
		{-0.01036, -0.00578, 0.00043, 0.00183, 0.00013, -0.0002, -0.00016, 1e-5, 3e-5, -1e-5, 0},
		{0.00068, 0.0002, -1e-5, 0, 1e-5, -1e-5, 0, 0, 0, 0, 0},
	}}
}

func airCooledCurve() curve {
	return curve{temps: [2]float64{15, 35}, loads: [2]float64{0.25, 1}, step: 1, weight: [][]float64{
		{4.23181, 0.57456, -0.44952, 0.02992, -0.00746, -0.00105, 0.00036},
		{-1.77254, -0.00435, 0.13023, -0.04312, 0.00057, 0.00118, -5e-5},
		{0.31715, -0.06599, -0.00376, 6e-5, 0.00063, 2e-5, -1e-5},
		{-0.05623, 0.02792, -0.00034, 0.00017, -1e-5, -1e-5, 0},
		{-0.00191, 0.00078, -6e-5, -1e-5, -1e-5, 0, 0},
		{0.00163, -0.00061, -2e-5, 0, 0, 0, 0},
	}}
}

func directExpansionCurve() curve {
	return curve{temps: [2]float64{1, 40}, loads: [2]float64{1, 1}, step: 1, weight: [][]float64{
		{2.17617},
		{-0.86691},
		{-0.18612},
		{0.10514},
		{0.02618},
		{-0.03415},
		{0.01311},
		{0.01287},
		{-0.01342},
		{-0.0024},
		{0.00382},
		{0.00026},
		{-0.00067},
	}}
}
