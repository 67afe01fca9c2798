package sched

import "tianfu/unit"

// cutRounds bounds the columns generated; the mixes met need a few dozen.
const cutRounds = 400

// cutPrices returns the dual prices of cutting whole devices into a mix of
// shares: price[m] is what a share of m milli is worth, in devices, and
// value[g] the most that g milli left on a device can still earn. A share in an
// optimal cut takes exactly its price from the device; any other takes more.
// seen[m] is the number of tasks of m milli. The prices solve the linear
// relaxation of the cutting-stock problem by column generation (Gilmore and
// Gomory, Operations Research 9(6), 1961), with the basis kept inverted.
func cutPrices(seen []int64) (price, value []float64) {
	price, value = make([]float64, len(seen)), make([]float64, len(seen))
	k := newCutter(seen)
	if len(k.sizes) == 0 {
		return price, value
	}
	for range cutRounds {
		k.duals()
		k.knapsack()
		if k.best[unit.Whole] <= 1+1e-7 || !k.enter() {
			break
		}
	}
	k.duals()
	k.knapsack()
	for i, m := range k.sizes {
		price[m] = k.price[i]
	}
	copy(value, k.best)
	return price, value
}

// cutter is the state of the simplex method on patterns of shares.
type cutter struct {
	sizes   []int
	inverse [][]float64 // of the basis: a row for each pattern, a column for each size
	amount  []float64   // devices cut by each pattern of the basis
	price   []float64
	step    int       // all sizes are multiples of it
	best    []float64 // knapsack: most value in g milli
	last    []int     // the size added last to reach it, -1 = none
	pattern []float64
	column  []float64
}

func newCutter(seen []int64) *cutter {
	k := &cutter{best: make([]float64, len(seen)), last: make([]int, len(seen))}
	var count []float64
	for m, n := range seen {
		if n > 0 && m > 0 && m < int(unit.Whole) {
			k.sizes = append(k.sizes, m)
			count = append(count, float64(n))
			k.step = gcd(k.step, m)
		}
	}
	n := len(k.sizes)
	k.amount, k.price = make([]float64, n), make([]float64, n)
	k.pattern, k.column = make([]float64, n), make([]float64, n)
	for i, m := range k.sizes {
		row := make([]float64, n)
		fit := float64(int(unit.Whole) / m) // at first, devices of one size each
		row[i] = 1 / fit
		k.inverse = append(k.inverse, row)
		k.amount[i] = count[i] / fit
	}
	return k
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// duals prices each size: every pattern of the basis is worth one device.
func (k *cutter) duals() {
	for j := range k.price {
		sum := 0.0
		for i := range k.inverse {
			sum += k.inverse[i][j]
		}
		k.price[j] = max(sum, 0)
	}
}

// knapsack finds the most valuable pattern for every remaining size.
func (k *cutter) knapsack() {
	k.best[0], k.last[0] = 0, -1
	for g := 1; g < len(k.best); g++ {
		k.best[g], k.last[g] = k.best[g-1], -1
		if g%k.step != 0 {
			continue
		}
		for i, m := range k.sizes {
			if m > g {
				break
			}
			if v := k.best[g-m] + k.price[i]; v > k.best[g]+1e-9 {
				k.best[g], k.last[g] = v, i
			}
		}
	}
}

// enter brings the most valuable pattern into the basis. It returns false when
// no pattern can leave for it.
func (k *cutter) enter() bool {
	clear(k.pattern)
	for g := int(unit.Whole); g > 0; {
		if i := k.last[g]; i >= 0 {
			k.pattern[i]++
			g -= k.sizes[i]
		} else {
			g--
		}
	}
	leave, ratio := -1, 0.0
	for i := range k.column {
		sum := 0.0
		for j, a := range k.pattern {
			sum += float64(k.inverse[i][j] * a)
		}
		k.column[i] = sum
		if sum > 1e-9 {
			if r := k.amount[i] / sum; leave < 0 || r < ratio-1e-12 {
				leave, ratio = i, r
			}
		}
	}
	if leave < 0 {
		return false
	}
	k.pivot(leave, ratio)
	return true
}

func (k *cutter) pivot(leave int, ratio float64) {
	for i := range k.amount {
		if i != leave {
			k.amount[i] = max(k.amount[i]-float64(ratio*k.column[i]), 0)
		}
	}
	k.amount[leave] = ratio
	row := k.inverse[leave]
	for j := range row {
		row[j] /= k.column[leave]
	}
	for i := range k.inverse {
		if u := k.column[i]; i != leave && u != 0 {
			for j := range row {
				k.inverse[i][j] -= float64(u * row[j])
			}
		}
	}
}
