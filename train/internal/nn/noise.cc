//go:build torch

// Random numbers. Like everything in kernels.cc these keep no state.

#include <cstdint>
#include <cstring>

#include "vector.h"

namespace {

// Eight generators side by side, xoshiro128++ (Blackman and Vigna 2021, "Scrambled
// linear pseudorandom number generators"), seeded by splitmix64.
struct Lanes {
  uint32_t s[4][8];

  Lanes(uint64_t seed, uint64_t stream) {
    uint64_t at = seed ^ (stream * 0xd1342543de82ef95u);
    for (auto& word : s)
      for (uint32_t& lane : word) {
        uint64_t z = at += 0x9e3779b97f4a7c15u;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        lane = static_cast<uint32_t>((z ^ (z >> 31)) >> 32);
      }
  }

  INLINE void next(uint32_t* __restrict to) {
    for (int k = 0; k < 8; k++) {
      const uint32_t sum = s[0][k] + s[3][k], carry = s[1][k] << 9;
      to[k] = ((sum << 7) | (sum >> 25)) + s[0][k];
      s[2][k] ^= s[0][k];
      s[3][k] ^= s[1][k];
      s[1][k] ^= s[2][k];
      s[0][k] ^= s[3][k];
      s[2][k] ^= carry;
      s[3][k] = (s[3][k] << 11) | (s[3][k] >> 21);
    }
  }
};

// log v for v in (0, 1], to a few units in the last place: v = 2^e m with m from
// sqrt(1/2) to sqrt(2), and log m = 2 atanh(s), s = (m-1)/(m+1).
INLINE float log_of(float v) {
  int32_t bits;
  std::memcpy(&bits, &v, sizeof bits);
  const int32_t e = (bits - 0x3f3504f3) >> 23;
  bits -= e << 23;
  float m;
  std::memcpy(&m, &bits, sizeof m);
  const float s = (m - 1.0f) / (m + 1.0f), q = s * s;
  const float series = 1.0f + q * (1.0f / 3 + q * (1.0f / 5 + q * (1.0f / 7 + q * (1.0f / 9))));
  return static_cast<float>(e) * 0.6931471805599453f + 2.0f * s * series;
}

}  // namespace

extern "C" {

// z = n standard normal numbers (Box and Muller 1958): the radius from one uniform
// number, the angle from another, a whole and a fraction of a right angle.
VECTOR void saspart_normals(float* __restrict z, int64_t n, uint64_t seed, uint64_t stream) {
  Lanes lanes(seed, stream);
  uint32_t a[8], b[8];
  float pair[16];
  for (int64_t at = 0; at < n; at += 16) {
    lanes.next(a);
    lanes.next(b);
    for (int k = 0; k < 8; k++) {
      const float u = (static_cast<float>(static_cast<int32_t>(a[k] >> 8)) + 0.5f) * 0x1p-24f;
      const float radius = root_of(-2.0f * log_of(u));
      const int32_t turn = static_cast<int32_t>(b[k]);
      const int32_t quarter = (turn + (1 << 29)) >> 30;
      const float x = static_cast<float>(turn - static_cast<int32_t>(static_cast<uint32_t>(quarter) << 30)) * 1.4629180792671596e-9f;
      const float q = x * x;
      const float sine = x * (1.0f + q * (-1.0f / 6 + q * (1.0f / 120 + q * (-1.0f / 5040))));
      const float cosine = 1.0f + q * (-0.5f + q * (1.0f / 24 + q * (-1.0f / 720 + q * (1.0f / 40320))));
      const float c = quarter & 1 ? sine : cosine, s = quarter & 1 ? cosine : sine;
      pair[k] = radius * (((quarter + 1) & 2) ? -c : c);
      pair[8 + k] = radius * ((quarter & 2) ? -s : s);
    }
    std::memcpy(z + at, pair, sizeof(float) * (n - at < 16 ? n - at : 16));
  }
}

// z = n numbers uniform in [-1, 1).
VECTOR void saspart_uniforms(float* __restrict z, int64_t n, uint64_t seed, uint64_t stream) {
  Lanes lanes(seed, stream);
  uint32_t a[8];
  float eight[8];
  for (int64_t at = 0; at < n; at += 8) {
    lanes.next(a);
    for (int k = 0; k < 8; k++) eight[k] = static_cast<float>(static_cast<int32_t>(a[k] >> 8)) * 0x1p-23f - 1.0f;
    std::memcpy(z + at, eight, sizeof(float) * (n - at < 8 ? n - at : 8));
  }
}

}  // extern "C"
