package checkpoint

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"

	"github.com/nlpodyssey/safetensors"

	"github.com/saspart/saspart/policy/network"
)

// WriteTensors writes tensors as a safetensors file, which any framework reads. Names
// must differ and sizes fit the shapes.
func WriteTensors(w io.Writer, tensors []network.Tensor) error {
	views := make(map[string]safetensors.TensorView, len(tensors))
	for _, t := range tensors {
		if _, ok := views[t.Name]; ok || t.Name == "" || t.Name == "__metadata__" {
			return fmt.Errorf("write tensor %q: the name is taken", t.Name)
		}
		shape := make([]uint64, len(t.Shape))
		for i, d := range t.Shape {
			shape[i] = uint64(d)
		}
		data := make([]byte, 0, 4*len(t.Data))
		for _, v := range t.Data {
			data = binary.LittleEndian.AppendUint32(data, math.Float32bits(v))
		}
		view, err := safetensors.NewTensorView(safetensors.F32, shape, data)
		if err != nil {
			return fmt.Errorf("write tensor %s: %d numbers of shape %v", t.Name, len(t.Data), t.Shape)
		}
		views[t.Name] = view
	}
	return safetensors.SerializeToWriter(views, nil, w)
}

// ParseTensors reads a safetensors file of float32 tensors, in the file's order.
func ParseTensors(data []byte) ([]network.Tensor, error) {
	if len(data) >= 8 && binary.LittleEndian.Uint64(data) > mostHeader {
		return nil, fmt.Errorf("header of %d bytes; this is no safetensors file", binary.LittleEndian.Uint64(data))
	}
	file, err := safetensors.Deserialize(data)
	if err != nil {
		return nil, err
	}
	tensors := make([]network.Tensor, 0, file.Len())
	for _, named := range file.Tensors() {
		view := named.TensorView
		if view.DType() != safetensors.F32 {
			return nil, fmt.Errorf("tensor %s holds %s; F32 is needed", named.Name, view.DType())
		}
		t := network.Tensor{Name: named.Name, Data: make([]float32, len(view.Data())/4)}
		for _, d := range view.Shape() {
			if d > math.MaxInt32 {
				return nil, fmt.Errorf("tensor %s has shape %v", named.Name, view.Shape())
			}
			t.Shape = append(t.Shape, int(d))
		}
		for i := range t.Data {
			t.Data[i] = math.Float32frombits(binary.LittleEndian.Uint32(view.Data()[4*i:]))
		}
		tensors = append(tensors, t)
	}
	return tensors, nil
}
