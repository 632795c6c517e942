//go:build !linux

package files

import "errors"

func (disk) swap(string, string) error { return errors.ErrUnsupported }
