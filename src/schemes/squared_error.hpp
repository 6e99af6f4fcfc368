// SPDX-License-Identifier: Apache-2.0
// What a scale costs a group: the sum of h (y - q unit)^2, q being the element that x / step rounds
// to. y and unit are x and step in any common measure; rules take one in which squares neither
// overflow nor vanish. The order of the sum is part of its definition, so that a wide version gives
// the same bits: 16 fp32 lanes, lane l taking elements l, l + 16, ... by fma, then lanes 8..15
// added to 0..7, 4..7 to 0..3, 2..3 to 0..1, 1 to 0. Here too is the choice among candidates: the
// first of the least.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>

namespace hb {

constexpr int kMaxGroup = 128;

template <int kHalf>
void fold(float* lanes) {
    for (int l = 0; l < kHalf; ++l) lanes[l] += lanes[l + kHalf];
}

// round(x / step) is the element, of a zero point without it.
template <class Round>
float squared_error(const float* x, float step, const float* y, float unit, const float* h,
                    int group, const Round& round) {
    float lanes[16] = {};
    for (int first = 0; first < group; first += 16) {
        for (int l = 0; l < 16; ++l) {
            const float q = round(x[first + l] / step);
            const float d = std::fma(-q, unit, y[first + l]);
            lanes[l] = std::fma(h ? h[first + l] * d : d, d, lanes[l]);
        }
    }
    fold<8>(lanes);
    fold<4>(lanes);
    fold<2>(lanes);
    fold<1>(lanes);
    return lanes[0];
}

template <class Element>
float squared_error(const float* x, float step, const float* y, float unit, const float* h,
                    int group) {
    return squared_error(x, step, y, unit, h, group, [](float t) { return Element::round(t); });
}

// max |x|; NaN counts as nothing.
inline float largest_magnitude(const float* x, std::int64_t n) {
    float lanes[16] = {};
    const auto take = [](float a, float value) {
        return a < std::fabs(value) ? std::fabs(value) : a;
    };
    std::int64_t i = 0;
    for (; i + 16 <= n; i += 16) {
        for (int l = 0; l < 16; ++l) lanes[l] = take(lanes[l], x[i + l]);
    }
    for (; i < n; ++i) lanes[0] = take(lanes[0], x[i]);
    for (int l = 1; l < 16; ++l) lanes[0] = take(lanes[0], lanes[l]);
    return lanes[0];
}

// First candidate i in [0, n) with the least cost(i); 0 when no cost is a finite number.
template <class Cost>
int first_least(int n, Cost cost) {
    int best = 0;
    float least = std::numeric_limits<float>::infinity();
    for (int i = 0; i < n; ++i) {
        const float c = cost(i);
        if (c < least) {
            least = c;
            best = i;
        }
    }
    return best;
}

}  // namespace hb
