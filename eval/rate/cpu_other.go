//go:build !unix

package rate

import "time"

// processTime is what this process has used of all cores; 0: unknown here.
func processTime() time.Duration { return 0 }
