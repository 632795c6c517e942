package train

import "errors"

// ErrUnavailable is returned by trainings in a build without libtorch.
var ErrUnavailable = errors.New("this binary was built without libtorch and cannot train; on Linux x86_64, `make setup build` builds one that can, and `saspart doctor` reports what is missing")
