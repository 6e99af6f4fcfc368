// SPDX-License-Identifier: Apache-2.0
// What a scale costs a group: the sum of h (y - q unit)^2, q being the element that x / step rounds
// to. y and unit are x and step in any common measure; rules take one in which squares neither
// overflow nor vanish. The order of the sum is part of its definition, so that a wide version gives
// the same bits: 16 fp32 lanes, lane l taking elements l, l + 16, ... by fma, then lanes 8..15
// added to 0..7, 4..7 to 0..3, 2..3 to 0..1, 1 to 0. Here too is the choice among candidates: the
// first of the least.
#pragma once

#include <cmath>
#include <limits>

namespace hb {

constexpr int kMaxGroup = 128;

template <class Element>
float squared_error(const float* x, float step, const float* y, float unit, const float* h,
                    int group) {
    float lanes[16] = {};
    for (int first = 0; first < group; first += 16) {
        for (int l = 0; l < 16; ++l) {
            const float q = Element::round(x[first + l] / step);
            const float d = std::fma(-q, unit, y[first + l]);
            lanes[l] = std::fma(h ? h[first + l] * d : d, d, lanes[l]);
        }
    }
    for (int half = 8; half > 0; half /= 2) {
        for (int l = 0; l < half; ++l) lanes[l] += lanes[l + half];
    }
    return lanes[0];
}

inline float largest_magnitude(const float* x, int n) {
    float a = 0;
    for (int i = 0; i < n; ++i) {
        const float magnitude = std::fabs(x[i]);
        a = a < magnitude ? magnitude : a;
    }
    return a;
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
