// Package minheap is a binary heap of small items. Unlike container/heap it compares the
// items itself, without a call through an interface, so it can be used for every record.
package minheap

import "cmp"

// Item is a key with the ID of what it belongs to.
type Item[K, ID cmp.Ordered] struct {
	Key K
	ID  ID
}

// less orders items by their keys, and equal keys by ID.
func (a Item[K, ID]) less(b Item[K, ID]) bool {
	return a.Key < b.Key || a.Key == b.Key && a.ID < b.ID
}

// Heap is a binary heap: its first item is the least. Where IDs are unique the order is
// total, so which item is first does not depend on how the heap was built. Keys must not be
// NaN. The zero Heap is empty. Only Push allocates, when the slice has to grow.
type Heap[K, ID cmp.Ordered] []Item[K, ID]

// Push adds an item. It takes O(log n).
func (h *Heap[K, ID]) Push(key K, id ID) {
	*h = append(*h, Item[K, ID]{key, id})
	items := *h
	i := len(items) - 1
	item := items[i]
	for i > 0 {
		up := (i - 1) / 2
		if !item.less(items[up]) {
			break
		}
		items[i] = items[up]
		i = up
	}
	items[i] = item
}

// Pop removes the first item. It takes O(log n).
func (h *Heap[K, ID]) Pop() {
	items := *h
	n := len(items) - 1
	items[0] = items[n]
	*h = items[:n]
	h.FixFirst()
}

// FixFirst restores the order after the first item was changed. It takes O(log n).
func (h Heap[K, ID]) FixFirst() { h.sink(0) }

// Fix restores the order after any items were changed. It takes O(n).
func (h Heap[K, ID]) Fix() {
	for i := len(h)/2 - 1; i >= 0; i-- {
		h.sink(i)
	}
}

// sink moves the item at i down to where it belongs.
func (h Heap[K, ID]) sink(i int) {
	if i >= len(h) {
		return
	}
	item := h[i]
	for {
		child := 2*i + 1
		if child >= len(h) {
			break
		}
		if child+1 < len(h) && h[child+1].less(h[child]) {
			child++
		}
		if !h[child].less(item) {
			break
		}
		h[i] = h[child]
		i = child
	}
	h[i] = item
}
