package replay

// sumTree is a binary tree whose leaves are weights and whose nodes are the sums of their
// two children. Finding the leaf at which the running sum reaches a value takes
// log2(leaves) steps. A node depends on its children alone, so the same leaves give the
// same tree, bit for bit, whatever their earlier values.
type sumTree struct {
	node []float64 // node[1] is the root, node[i]'s children are node[2i] and node[2i+1]
	at   int       // of the first leaf
}

func newSumTree(leaves int) *sumTree {
	at := 1
	for at < leaves {
		at *= 2
	}
	return &sumTree{node: make([]float64, 2*at), at: at}
}

// total is the sum of all leaves.
func (t *sumTree) total() float64 { return t.node[1] }

// get is the weight of a leaf.
func (t *sumTree) get(leaf int) float64 { return t.node[t.at+leaf] }

// set changes a leaf to a weight that is finite and not negative.
func (t *sumTree) set(leaf int, weight float64) {
	i := t.at + leaf
	t.node[i] = weight
	for i /= 2; i > 0; i /= 2 {
		t.node[i] = t.node[2*i] + t.node[2*i+1]
	}
}

// find is the leaf in whose part of [0, total) the value lies. Rounding never makes it a
// leaf of weight 0 if there is another.
func (t *sumTree) find(value float64) int {
	i := 1
	for i < t.at {
		i *= 2
		if left := t.node[i]; t.node[i+1] > 0 && (value >= left || left == 0) {
			value -= left
			i++
		}
	}
	return i - t.at
}
