package train

import "errors"

// ErrUnavailable is the answer of a build without libtorch to whoever wants to train.
var ErrUnavailable = errors.New("this binary was built without libtorch and cannot train; on Linux x86_64 `make setup build` makes one that can, and `saspart doctor` says what is missing")
