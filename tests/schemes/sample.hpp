// SPDX-License-Identifier: Apache-2.0
// Random matrices and errors for the tests of this folder.
#pragma once

#include <cmath>
#include <vector>

#include "core/random.hpp"
#include "schemes/qtensor.hpp"
#include "schemes/scale_rule.hpp"

namespace hb {

inline float laplace(Random& random) {
    const double u = random.uniform();
    const double magnitude = -std::log(1 - random.uniform());
    return static_cast<float>(u < .5 ? -magnitude : magnitude);
}

// Groups of 32 whose magnitudes run through one octave, so that every phase of an exponent is met.
template <class Draw>
Matrix<float> sample(std::int64_t rows, std::int64_t cols, std::uint64_t seed, Draw draw) {
    Random random{seed};
    Matrix<float> m(rows, cols);
    for (std::int64_t i = 0; i < rows * cols; i += 32) {
        const double magnitude = std::exp2(random.uniform());
        for (std::int64_t k = i; k < i + 32; ++k) {
            m.values[static_cast<std::size_t>(k)] = static_cast<float>(magnitude * draw(random));
        }
    }
    return m;
}

inline Matrix<float> normal_sample(std::int64_t rows, std::int64_t cols, std::uint64_t seed) {
    return sample(rows, cols, seed, [](Random& random) { return random.normal(); });
}

inline Scales scales_of(const Matrix<float>& w, const Scheme& scheme, const ScaleRule& rule,
                        const std::vector<float>& h = {}) {
    Threads threads(2);
    const View<const float> view = w.view();
    return choose_scales({&view, 1}, h, scheme, rule, threads).front();
}

inline QTensor round_to_nearest(const Matrix<float>& w, const Scheme& scheme, const ScaleRule& rule,
                                const std::vector<float>& h = {}) {
    return quantize(w.view(), scheme, scales_of(w, scheme, rule, h));
}

// sum h (w - q)^2, h = 1 when empty
inline double squared_distance(const Matrix<float>& w, const Matrix<float>& q,
                               const std::vector<float>& h = {}) {
    double sum = 0;
    for (std::int64_t r = 0; r < w.rows; ++r) {
        for (std::int64_t c = 0; c < w.cols; ++c) {
            const double d = static_cast<double>(w(r, c)) - q(r, c);
            sum += (h.empty() ? 1 : h[static_cast<std::size_t>(c)]) * d * d;
        }
    }
    return sum;
}

inline double relative_mse(const Matrix<float>& w, const Matrix<float>& q) {
    return squared_distance(w, q) / squared_distance(w, Matrix<float>(w.rows, w.cols));
}

}  // namespace hb
