//go:build torch

package capacity

import (
	"github.com/saspart/saspart/policy/filter"
	"github.com/saspart/saspart/train/internal/nn"
)

// column is a column of the network's head beside those of the action: a log standard deviation
// for each worker (filter.Explored and so on).
type column struct {
	at     int       // among the head's columns
	weight []float32 // [H]
	bias   float32
}

// read reads the column from the parameters w.
func (c *column) read(net nn.GRU, w *[nn.GRUTensors]nn.Matrix, kind int) {
	c.at, c.weight = net.Actions+kind, nn.Resized(c.weight, net.Units)
	head := w[nn.HeadWeight]
	for u := range c.weight {
		c.weight[u] = head.V[u*head.Stride+c.at]
	}
	c.bias = w[nn.HeadBias].V[c.at]
}

// of is the log standard deviation of a worker with that memory, and whether it is within its
// bounds.
func (c *column) of(memory []float32) (v float32, free bool) {
	return filter.LogStd(memory, c.weight, c.bias)
}

// memoryBack adds the gradient with respect to the memory, of d with respect to the output.
func (c *column) memoryBack(d float32, dh []float32) {
	if d == 0 {
		return
	}
	for u, v := range c.weight {
		dh[u] += d * v
	}
}

// gradients adds the gradients with respect to the column, from d [S,R] with respect to its
// outputs after each step of the tape. nn.GRUTape.Gradients must have set g before.
func (c *column) gradients(tape *nn.GRUTape, g *[nn.GRUTensors]nn.Matrix, d []float32) {
	weight, bias, h := g[nn.HeadWeight], g[nn.HeadBias].V, tape.Net.Units
	rows := len(tape.DH) / h
	for at, v := range d {
		if v == 0 {
			continue
		}
		bias[c.at] += v
		memory := tape.H[(at+rows)*h:][:h]
		for u, m := range memory {
			weight.V[u*weight.Stride+c.at] += v * m
		}
	}
}
