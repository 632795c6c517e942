//go:build torch

// The gates of the capacity action's recurrent unit and their derivatives: what is
// left of a step after BLAS. Serial, without state.

#include <cstdint>
#include <cstring>

#include "vector.h"

namespace {

// 1/(1+e^-x) to within 1e-6: e^-x = 2^i * 2^f, |f| <= 1/2, 2^f by its Taylor series.
INLINE float sigmoid(float x) {
  float t = x * -1.4426950408889634f;
  t = t > 100.0f ? 100.0f : t;
  t = t < -100.0f ? -100.0f : t;
  const float i = (t + 12582912.0f) - 12582912.0f;  // rounds to the nearest whole number
  const float g = (t - i) * 0.6931471805599453f;
  float p = 1.0f / 720;
  p = p * g + 1.0f / 120;
  p = p * g + 1.0f / 24;
  p = p * g + 1.0f / 6;
  p = p * g + 0.5f;
  p = p * g + 1.0f;
  p = p * g + 1.0f;
  const int32_t bits = (static_cast<int32_t>(i) + 127) << 23;
  float power;
  std::memcpy(&power, &bits, sizeof power);
  return 1.0f / (1.0f + p * power);
}

INLINE float tanh_of(float x) { return 2.0f * sigmoid(2.0f * x) - 1.0f; }

}  // namespace

extern "C" {

// From the sums i and m [rows,3h] of inputs and memory, columns r, z, n, and the
// memory from [rows,h]: i becomes the gates r, z, n, and to is the new memory.
VECTOR void saspart_gates(float* __restrict i, const float* __restrict m, const float* __restrict from,
                          float* __restrict to, int64_t rows, int64_t h) {
  for (int64_t row = 0; row < rows; row++) {
    float* const a = i + row * 3 * h;
    const float* const b = m + row * 3 * h;
    for (int64_t j = 0; j < 2 * h; j++) a[j] = sigmoid(a[j] + b[j]);
    for (int64_t j = 0; j < h; j++) {
      const float n = tanh_of(a[2 * h + j] + a[j] * b[2 * h + j]);
      a[2 * h + j] = n;
      to[row * h + j] = n + a[h + j] * (from[row * h + j] - n);
    }
  }
}

// Back through saspart_gates: by is the gradient by the new memory and becomes that
// by the old one, as far as it does not come by m; i and m become the gradients by i
// and m as they were.
VECTOR void saspart_gates_back(float* __restrict i, float* __restrict m, const float* __restrict from,
                               float* __restrict by, int64_t rows, int64_t h) {
  for (int64_t row = 0; row < rows; row++) {
    float* const a = i + row * 3 * h;
    float* const b = m + row * 3 * h;
    const float* const old = from + row * h;
    float* const g = by + row * h;
    for (int64_t j = 0; j < h; j++) {
      const float r = a[j], z = a[h + j], n = a[2 * h + j], d = g[j];
      const float dn = d * (1.0f - z) * (1.0f - n * n);
      const float dz = d * (old[j] - n) * z * (1.0f - z);
      const float dr = dn * b[2 * h + j] * r * (1.0f - r);
      a[j] = b[j] = dr;
      a[h + j] = b[h + j] = dz;
      a[2 * h + j] = dn;
      b[2 * h + j] = dn * r;
      g[j] = d * z;
    }
  }
}

// x = tanh(x).
VECTOR void saspart_squash(float* __restrict x, int64_t n) {
  for (int64_t j = 0; j < n; j++) x[j] = tanh_of(x[j]);
}

}  // extern "C"
