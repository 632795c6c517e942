package dalton

// bestTree is a tournament over the values of n arms. It returns the best arm at once, and a
// changed value costs O(log n) instead of a scan. Of equal arms the preferred one wins, if it is
// among them, else the one with the lowest index.
type bestTree struct {
	win   []int32 // a heap-shaped tree; the leaves are base..base+n-1; -1 is nobody
	base  int
	first int32 // the preferred arm, -1 if there is none
}

// newBestTrees makes n tournaments with space for so many arms each.
func newBestTrees(n, arms int) []bestTree {
	size := 2
	for size < 2*arms {
		size *= 2
	}
	win, trees := make([]int32, n*size), make([]bestTree, n)
	for i := range trees {
		trees[i].win = win[i*size : (i+1)*size : (i+1)*size]
	}
	return trees
}

// reset rebuilds the tournament for these values, with first as the preferred arm.
func (t *bestTree) reset(values []float64, first int) {
	t.base, t.first = 1, int32(first)
	for t.base < len(values) {
		t.base *= 2
	}
	if cap(t.win) < 2*t.base {
		t.win = make([]int32, 2*t.base)
	}
	t.win = t.win[:2*t.base]
	for i := range t.base {
		t.win[t.base+i] = -1
		if i < len(values) {
			t.win[t.base+i] = int32(i)
		}
	}
	for at := t.base - 1; at > 0; at-- {
		t.win[at] = t.play(values, at)
	}
}

// update notes that the value of an arm has changed.
func (t *bestTree) update(values []float64, arm int) {
	for at := (t.base + arm) / 2; at > 0; at /= 2 {
		was := t.win[at]
		t.win[at] = t.play(values, at)
		if t.win[at] == was && int(was) != arm {
			return // nothing changes further up
		}
	}
}

// best returns the winner.
func (t *bestTree) best() int { return int(t.win[1]) }

// play returns the winner of the two below. Every arm on the left has a lower
// index than any on the right.
func (t *bestTree) play(values []float64, at int) int32 {
	left, right := t.win[2*at], t.win[2*at+1]
	if right < 0 || left >= 0 && (values[left] > values[right] || values[left] == values[right] && right != t.first) {
		return left
	}
	return right
}

// weightTree draws arms in proportion to their weights. A draw or a changed weight costs
// O(log n). Every inner node is the sum of its two children. A change adds these sums again
// instead of adjusting them, so rounding errors do not accumulate.
type weightTree struct {
	sum  []float64 // heap-shaped; the leaves are base..base+n-1
	base int
}

// reset sets up n arms of weight 0.
func (t *weightTree) reset(n int) {
	t.base = 1
	for t.base < n {
		t.base *= 2
	}
	if cap(t.sum) < 2*t.base {
		t.sum = make([]float64, 2*t.base)
	}
	t.sum = t.sum[:2*t.base]
	clear(t.sum)
}

// set gives the arm a weight, at least 0.
func (t *weightTree) set(arm int, weight float64) {
	at := t.base + arm
	t.sum[at] = weight
	for at /= 2; at > 0; at /= 2 {
		t.sum[at] = t.sum[2*at] + t.sum[2*at+1]
	}
}

// draw lays the weights end to end and returns the arm at fraction u of the whole length, u in
// [0,1). The weights must not all be 0.
func (t *weightTree) draw(u float64) int {
	u *= t.sum[1]
	at := 1
	for at < t.base {
		at *= 2
		// Rounding must not lead into a branch without weight.
		if u >= t.sum[at] && t.sum[at+1] > 0 {
			u -= t.sum[at]
			at++
		}
	}
	return at - t.base
}
