// SPDX-License-Identifier: Apache-2.0
// Round to nearest under given scales, and back. The sign of -0 is an FP4 code of its own, so a
// zero point is added only where there is one.
#include "schemes/qtensor.hpp"

#include <algorithm>

#include "core/error.hpp"
#include "core/float_bits.hpp"
#include "schemes/element.hpp"

namespace hb {

namespace {

void check(View<const float> w, const Scheme& scheme, const Scales& scales) {
    if (!scheme.divides(w.cols)) {
        fail("a matrix of {} columns does not divide into {}'s groups of {}", w.cols, scheme.name,
             scheme.group);
    }
    const std::int64_t groups = scheme.groups(w.cols);
    if (scales.bits.rows != w.rows || scales.bits.cols != groups) {
        fail("{} scales by {} for a {} by {} matrix; {} wants {} by {}", scales.bits.rows,
             scales.bits.cols, w.rows, w.cols, scheme.name, w.rows, groups);
    }
    const Matrix<std::uint8_t>& zeros = scales.zeros;
    if (scheme.zero_points() ? zeros.rows != w.rows || zeros.cols != groups : !zeros.empty()) {
        fail("{} zero points by {} for a {} by {} matrix in {}", zeros.rows, zeros.cols, w.rows,
             w.cols, scheme.name);
    }
}

// code(x) of all columns of row r of w, by groups; make_code(unit, group) gives that function.
template <class MakeCode>
void quantize_row(const float* w, std::int64_t r, QTensor& q, const MakeCode& make_code) {
    const std::int64_t group = q.scheme->group_of(q.cols);
    std::uint8_t* codes = q.codes.row(r);
    for (std::int64_t first = 0; first < q.cols; first += group) {
        const std::int64_t g = first / group;
        const auto code =
            make_code(step(q.scheme->family, q.scales.bits(r, g), q.scales.divisor), g);
        if (q.scheme->element_bits() == 8) {
            for (std::int64_t c = first; c < first + group; ++c) codes[c] = code(w[c]);
            continue;
        }
        for (std::int64_t c = first; c < first + group; c += 2)
            codes[c / 2] = static_cast<std::uint8_t>(code(w[c]) | code(w[c + 1]) << 4);
    }
}

template <class Element>
void quantize_rows(View<const float> w, QTensor& q) {
    for (std::int64_t r = 0; r < w.rows; ++r) {
        if (q.scheme->zero_points())
            quantize_row(w.row(r), r, q, [&](float unit, std::int64_t g) {
                return [unit, zero = q.zero(r, g)](float x) {
                    return Element::encode(x / unit + zero);
                };
            });
        else
            quantize_row(w.row(r), r, q, [](float unit, std::int64_t) {
                return [unit](float x) { return Element::encode(x / unit); };
            });
    }
}

// out(r, c) = convert(element - zero, scale)
template <class T, class Convert>
Matrix<T> decode(const QTensor& q, Convert convert) {
    const Family family = q.scheme->family;
    const bool wide = q.scheme->element_bits() == 8;
    const std::int64_t group = q.scheme->group_of(q.cols);
    float elements[256];
    for (int code = 0; code < (wide ? 256 : 16); ++code)
        elements[code] = decode_element(family, static_cast<std::uint8_t>(code));
    Matrix<T> out(q.rows, q.cols);
    for (std::int64_t r = 0; r < q.rows; ++r) {
        const std::uint8_t* codes = q.codes.row(r);
        const std::uint16_t* bits = q.scales.bits.row(r);
        for (std::int64_t first = 0; first < q.cols; first += group) {
            const float scale = decode_scale(family, bits[first / group]),
                        zero = q.zero(r, first / group);
            for (std::int64_t c = first; c < first + group; ++c) {
                const int code = wide ? codes[c] : codes[c / 2] >> c % 2 * 4 & 15;
                out(r, c) = convert(elements[code] - zero, scale);
            }
        }
    }
    return out;
}

template <class T>
Matrix<T> copy_rows(const Matrix<T>& m, std::int64_t first, std::int64_t count) {
    if (m.empty()) return m;
    Matrix<T> part(count, m.cols);
    std::copy_n(m.row(first), count * m.cols, part.values.begin());
    return part;
}

}  // namespace

Scales make_scales(const Scheme& scheme, std::int64_t rows, std::int64_t cols, float divisor) {
    const std::int64_t groups = scheme.groups(cols);
    Scales scales{divisor, Matrix<std::uint16_t>(rows, groups)};
    if (scheme.zero_points()) scales.zeros = Matrix<std::uint8_t>(rows, groups);
    return scales;
}

Scales middle_rows(const Scales& scales, std::int64_t first, std::int64_t count) {
    return {scales.divisor, copy_rows(scales.bits, first, count),
            copy_rows(scales.zeros, first, count)};
}

QTensor make_qtensor(const Scheme& scheme, std::int64_t rows, std::int64_t cols, Scales scales) {
    return {&scheme, rows, cols, Matrix<std::uint8_t>(rows, scheme.code_bytes(cols)),
            std::move(scales)};
}

QTensor quantize(View<const float> w, const Scheme& scheme, Scales scales) {
    check(w, scheme, scales);
    QTensor q = make_qtensor(scheme, w.rows, w.cols, std::move(scales));
    with_element(scheme.family, [&](auto element) { quantize_rows<decltype(element)>(w, q); });
    return q;
}

Matrix<float> dequantize(const QTensor& q) {
    const float divisor = q.scales.divisor;
    return decode<float>(q,
                         [=](float element, float scale) { return element * (scale / divisor); });
}

Matrix<std::uint16_t> dequantize_bf16(const QTensor& q) {
    const bool alone = q.scheme->by_row();
    return decode<std::uint16_t>(q, [=](float element, float scale) {
        return float_to_bf16(alone ? element : element * scale);
    });
}

std::vector<float> row_scales(const QTensor& q) {
    std::vector<float> scales;
    for (std::int64_t r = 0; q.scheme->by_row() && r < q.rows; ++r)
        scales.push_back(decode_scale(q.scheme->family, q.scales.bits(r, 0)));
    return scales;
}

}  // namespace hb
