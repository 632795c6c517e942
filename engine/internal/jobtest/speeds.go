package jobtest

import (
	"github.com/saspart/saspart/engine"
)

// Changing is speeds that change, from a draw.
func Changing() engine.Speeds {
	return engine.Speeds{Kind: "uniform", Low: 0.8, High: 1.2, Change: engine.SpeedChange{Walk: 0.02, Jump: 0.02, Low: 0.5, High: 1.5}}
}
