// Package testdata has the data of the ready experiments, so that a binary alone can run them.
package testdata

import "embed"

// Files has them by name. NOTICE says where they come from.
//
//go:embed flights.csv.gz sotu.csv.gz NOTICE
var Files embed.FS
