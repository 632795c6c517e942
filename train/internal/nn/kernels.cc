//go:build torch

// The few loops that training spends its time in. Everything here is serial, keeps
// no state and writes only to its outputs; Go shares the work out (pool.go).

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <dlfcn.h>

#include <cstdint>
#include <cstring>

#include "vector.h"

namespace {

using sgemm_fn = void(const char*, const char*, const int*, const int*, const int*, const float*, const float*,
                      const int*, const float*, const int*, const float*, float*, const int*);

// The BLAS that libtorch was built with, if it lets others use it.
sgemm_fn* blas() {
  static sgemm_fn* const f = reinterpret_cast<sgemm_fn*>(dlsym(RTLD_DEFAULT, "sgemm_"));
  return f;
}

}  // namespace

extern "C" {

// One thread inside libtorch and its BLAS: their pools would fight with Go's threads.
void saspart_single_thread() {
  at::set_num_threads(1);
  using set_fn = void(int);
  if (auto* set = reinterpret_cast<set_fn*>(dlsym(RTLD_DEFAULT, "openblas_set_num_threads"))) set(1);
}

// c[m,n] = op(a)[m,k] * op(b)[k,n] + beta*c, row-major; op transposes where ta, tb say so.
void saspart_gemm_torch(int ta, int tb, int m, int n, int k, const float* a, int lda, const float* b, int ldb,
                        float beta, float* c, int ldc) {
  const c10::InferenceMode guard;
  const auto at = at::from_blob(const_cast<float*>(a), {m, k}, ta ? at::IntArrayRef{1, lda} : at::IntArrayRef{lda, 1});
  const auto bt = at::from_blob(const_cast<float*>(b), {k, n}, tb ? at::IntArrayRef{1, ldb} : at::IntArrayRef{ldb, 1});
  auto ct = at::from_blob(c, {m, n}, {ldc, 1});
  at::addmm_out(ct, ct, at, bt, beta, 1);
}

void saspart_gemm(int ta, int tb, int m, int n, int k, const float* a, int lda, const float* b, int ldb, float beta,
                  float* c, int ldc) {
  auto* const sgemm = blas();
  if (!sgemm) return saspart_gemm_torch(ta, tb, m, n, k, a, lda, b, ldb, beta, c, ldc);
  const float one = 1;  // BLAS is column-major: c^T = op(b)^T * op(a)^T
  sgemm(tb ? "T" : "N", ta ? "T" : "N", &n, &m, &k, &one, b, &ldb, a, &lda, &beta, c, &ldc);
}

// x[r] = tanh(x[r] + bias[r/repeat]) for rows of cols numbers: with e = exp(2v)-1 it
// is e/(e+2).
VECTOR void saspart_tanh(float* __restrict x, const float* __restrict bias, int64_t rows, int64_t repeat,
                         int64_t cols) {
  for (int64_t r = 0; r < rows; r++) {
    float* const to = x + r * cols;
    const float* const add = bias + r / repeat * cols;
    for (int64_t j = 0; j < cols; j++) {
      float v = to[j] + add[j];
      v = v > 9.1f ? 9.1f : v;
      v = v < -9.1f ? -9.1f : v;
      const float e = expm1_of(2.0f * v);
      to[j] = e / (e + 2.0f);
    }
  }
}

// d *= 1 - h^2, the derivative of tanh where it is h.
VECTOR void saspart_tanh_grad(float* __restrict d, const float* __restrict h, int64_t n) {
  for (int64_t j = 0; j < n; j++) d[j] *= 1.0f - h[j] * h[j];
}

// dst[i] = row for rows of cols numbers.
void saspart_fill(float* dst, const float* row, int64_t rows, int64_t cols) {
  for (int64_t i = 0; i < rows; i++) std::memcpy(dst + i * cols, row, cols * 4);
}

// dst[i] = sum over r of src[i*repeat+r] for rows of cols numbers, in order.
VECTOR void saspart_fold(float* __restrict dst, const float* __restrict src, int64_t rows, int64_t repeat,
                         int64_t stride, int64_t cols) {
  for (int64_t i = 0; i < rows; i++) {
    float* to = dst + i * cols;
    std::memset(to, 0, cols * 4);
    for (int64_t r = 0; r < repeat; r++) {
      const float* from = src + (i * repeat + r) * stride;
      for (int64_t j = 0; j < cols; j++) to[j] += from[j];
    }
  }
}

// Adam (Kingma and Ba, algorithm 1): rate = lr/(1-b1^t), root = 1/sqrt(1-b2^t).
VECTOR void saspart_adam(float* __restrict p, float* __restrict m, float* __restrict v, const float* __restrict g,
                         int64_t n, float scale, double b1, double b2, float rate, float root, float eps) {
  const float keep1 = b1, keep2 = b2, take1 = 1 - b1, take2 = 1 - b2;
  for (int64_t j = 0; j < n; j++) {
    const float d = g[j] * scale;
    m[j] = keep1 * m[j] + take1 * d;
    v[j] = keep2 * v[j] + take2 * d * d;
    p[j] -= rate * m[j] / (root_of(v[j]) * root + eps);
  }
}

// y += weight*(x-y).
VECTOR void saspart_toward(float* __restrict y, const float* __restrict x, int64_t n, float weight) {
  for (int64_t j = 0; j < n; j++) y[j] += weight * (x[j] - y[j]);
}

// The sum of squares, in eight interleaved sums so that it can be vectorised.
VECTOR double saspart_squares(const float* x, int64_t n) {
  double sum[8] = {0};
  int64_t j = 0;
  for (; j + 8 <= n; j += 8)
    for (int k = 0; k < 8; k++) sum[k] += double(x[j + k]) * x[j + k];
  for (; j < n; j++) sum[0] += double(x[j]) * x[j];
  return ((sum[0] + sum[1]) + (sum[2] + sum[3])) + ((sum[4] + sum[5]) + (sum[6] + sum[7]));
}

}  // extern "C"
