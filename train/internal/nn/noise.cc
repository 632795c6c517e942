//go:build torch

// Random numbers and the policy's squashed normal distribution, one pass each. Like
// everything in kernels.cc these keep no state, so that Go can share the rows out.

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

// Actions of a squashed normal distribution, gaussian.go's sample: out [rows,2,acts],
// noise, spread and action [rows,reps,acts], density [rows,reps]; room is 2*acts
// numbers.
//
// With e = exp(-2|u|) - 1: tanh|u| = -e/(e+2), and log(1 - tanh^2 u) is
// 2 (log 2 - |u| - log(2+e)); log(1+v) = 2 atanh(v/(2+v)), a series in at most 1/3.
VECTOR void saspart_sample(const float* __restrict out, const float* __restrict noise, int64_t rows, int64_t reps,
                           int64_t acts, float low, float high, float* __restrict spread, float* __restrict action,
                           float* __restrict density, float* __restrict room) {
  float* __restrict std = room;
  float* __restrict term = room + acts;
  for (int64_t r = 0; r < rows; r++) {
    const float* __restrict mean = out + r * 2 * acts;
    const float* __restrict raw = mean + acts;
    for (int64_t j = 0; j < acts; j++) {
      float l = raw[j];
      l = l > high ? high : l;
      l = l < low ? low : l;
      std[j] = expm1_of(l) + 1.0f;
    }
    for (int64_t k = r * reps; k < (r + 1) * reps; k++) {
      const float* __restrict z = noise + k * acts;
      float* __restrict to = action + k * acts;
      float* __restrict off = spread + k * acts;
      for (int64_t j = 0; j < acts; j++) {
        float l = raw[j];
        l = l > high ? high : l;
        l = l < low ? low : l;
        off[j] = std[j] * z[j];
        const float u = mean[j] + off[j];
        const float far = u < 0 ? -u : u;
        const float e = expm1_of(far > 40.0f ? -80.0f : -2.0f * far);
        const float t = -e / (e + 2.0f);
        to[j] = u < 0 ? -t : t;
        const float s = (e + 1.0f) / (e + 3.0f), q = s * s;
        const float log1p =
            2.0f * s *
            (1.0f + q * (1.0f / 3 + q * (1.0f / 5 + q * (1.0f / 7 + q * (1.0f / 9 + q * (1.0f / 11 + q * (1.0f / 13)))))));
        term[j] = -0.5f * z[j] * z[j] - l - 2.305232894f + 2.0f * (far + log1p);
      }
      density[k] = static_cast<float>(sum_of(term, acts));
    }
  }
}

// The gradient by a policy's output, gaussian.go's through: out and dout [rows,2,acts];
// spread and action [rows,acts], each row stride apart; slope [rows,acts]; dact
// members times [rows,acts], apart numbers from each other.
VECTOR void saspart_through(const float* __restrict out, const float* __restrict spread, const float* __restrict action,
                            int64_t stride, const float* __restrict slope, const float* __restrict dact,
                            int64_t members, int64_t apart, int64_t rows, int64_t acts, float low, float high,
                            float weight, float* __restrict dout) {
  for (int64_t r = 0; r < rows; r++) {
    float* __restrict du = dout + r * 2 * acts;
    float* __restrict dl = du + acts;
    const float* __restrict raw = out + r * 2 * acts + acts;
    const float* __restrict a = action + r * stride;
    const float* __restrict off = spread + r * stride;
    std::memcpy(du, slope + r * acts, acts * sizeof(float));
    for (int64_t n = 0; n < members; n++) {
      const float* __restrict d = dact + n * apart + r * acts;
      for (int64_t j = 0; j < acts; j++) du[j] += d[j];
    }
    for (int64_t j = 0; j < acts; j++) {
      const float d = 2.0f * weight * a[j] - du[j] * (1.0f - a[j] * a[j]);
      du[j] = d;
      const float by = d * off[j] - weight;
      dl[j] = raw[j] >= low && raw[j] <= high ? by : 0.0f;
    }
  }
}

}  // extern "C"
