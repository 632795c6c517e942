package engine

// Speeds that change, from a draw.
func changing() Speeds {
	return Speeds{Kind: "uniform", Low: 0.8, High: 1.2, Change: SpeedChange{Walk: 0.02, Jump: 0.02, Low: 0.5, High: 1.5}}
}
