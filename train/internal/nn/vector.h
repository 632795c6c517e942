// What the kernels share: how they are compiled, and functions of one number that
// loops over them vectorise with.

#ifndef SASPART_VECTOR_H
#define SASPART_VECTOR_H

#include <cstdint>
#include <cstring>

// Comparisons that may trap do not vectorise.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("no-trapping-math")
#endif

// Compiled for AVX2 and for any x86-64; the loader takes what the machine has.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define VECTOR __attribute__((target_clones("avx2", "default")))
#else
#define VECTOR
#endif

#define INLINE __attribute__((always_inline)) inline

// exp(v) - 1 for |v| below 80, to 3 units in the last place. With t = v/ln 2 = i + f,
// |f| <= 1/2, it is 2^i*q + 2^i-1, where q = 2^f-1 by its Taylor series: there is no
// cancellation around 0.
INLINE static float expm1_of(float v) {
  const float t = v * 1.4426950408889634f;
  const float i = (t + 12582912.0f) - 12582912.0f;  // rounds to the nearest whole number
  const float g = (t - i) * 0.6931471805599453f;
  float q = 1.0f / 5040;
  q = q * g + 1.0f / 720;
  q = q * g + 1.0f / 120;
  q = q * g + 1.0f / 24;
  q = q * g + 1.0f / 6;
  q = q * g + 0.5f;
  q = q * g + 1.0f;
  q = q * g;
  const int32_t bits = (static_cast<int32_t>(i) + 127) << 23;
  float power;
  std::memcpy(&power, &bits, sizeof power);
  return power * q + (power - 1.0f);
}

// The square root by Newton's method for its inverse, from an estimate made of the
// exponent: to 2 units in the last place. A call of sqrtf may set errno, and a loop
// with it does not vectorise.
INLINE static float root_of(float v) {
  int32_t bits;
  std::memcpy(&bits, &v, sizeof bits);
  bits = 0x5f375a86 - (bits >> 1);
  float y;
  std::memcpy(&y, &bits, sizeof y);
  y *= 1.5f - 0.5f * v * y * y;
  y *= 1.5f - 0.5f * v * y * y;
  y *= 1.5f - 0.5f * v * y * y;
  return v * y;
}

#endif
