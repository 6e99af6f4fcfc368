// SPDX-License-Identifier: Apache-2.0
// Round to nearest under given scales, and back.
#include "schemes/qtensor.hpp"

#include "core/error.hpp"
#include "core/float_bits.hpp"
#include "formats/all.hpp"

namespace hb {

namespace {

void check(View<const float> w, const Scheme& scheme, const Scales& scales) {
    if (w.cols % scheme.group != 0) {
        fail("a matrix of {} columns does not divide into {}'s groups of {}", w.cols, scheme.name,
             scheme.group);
    }
    if (scales.bits.rows != w.rows || scales.bits.cols != w.cols / scheme.group) {
        fail("{} scales by {} for a {} by {} matrix; {} wants {} by {}", scales.bits.rows,
             scales.bits.cols, w.rows, w.cols, scheme.name, w.rows, w.cols / scheme.group);
    }
}

template <class Element>
void quantize_row(const float* w, const std::uint16_t* bits, float divisor, const Scheme& scheme,
                  std::int64_t cols, std::uint8_t* codes) {
    for (std::int64_t first = 0; first < cols; first += scheme.group) {
        const float unit = step(scheme.family, bits[first / scheme.group], divisor);
        for (std::int64_t c = first; c < first + scheme.group; c += 2) {
            codes[c / 2] = static_cast<std::uint8_t>(Element::encode(w[c] / unit) |
                                                     Element::encode(w[c + 1] / unit) << 4);
        }
    }
}

// out(r, c) = convert(element, scale)
template <class T, class Convert>
Matrix<T> decode(const QTensor& q, Convert convert) {
    const Family family = q.scheme->family;
    float elements[16];
    for (std::uint8_t code = 0; code < 16; ++code) elements[code] = decode_element(family, code);
    Matrix<T> out(q.rows, q.cols);
    for (std::int64_t r = 0; r < q.rows; ++r) {
        const std::uint8_t* codes = q.codes.row(r);
        const std::uint16_t* bits = q.scales.bits.row(r);
        for (std::int64_t first = 0; first < q.cols; first += q.scheme->group) {
            const float scale = decode_scale(family, bits[first / q.scheme->group]);
            for (std::int64_t c = first; c < first + q.scheme->group; c += 2) {
                out(r, c) = convert(elements[codes[c / 2] & 15], scale);
                out(r, c + 1) = convert(elements[codes[c / 2] >> 4], scale);
            }
        }
    }
    return out;
}

}  // namespace

QTensor quantize(View<const float> w, const Scheme& scheme, Scales scales) {
    check(w, scheme, scales);
    QTensor q{&scheme, w.rows, w.cols, Matrix<std::uint8_t>(w.rows, w.cols / 2), std::move(scales)};
    const auto row = scheme.family == Family::integer ? quantize_row<Int4> : quantize_row<E2M1>;
    for (std::int64_t r = 0; r < w.rows; ++r) {
        row(w.row(r), q.scales.bits.row(r), q.scales.divisor, scheme, w.cols, q.codes.row(r));
    }
    return q;
}

Matrix<float> dequantize(const QTensor& q) {
    const float divisor = q.scales.divisor;
    return decode<float>(q, [=](float element, float scale) { return element * scale / divisor; });
}

Matrix<std::uint16_t> dequantize_bf16(const QTensor& q) {
    return decode<std::uint16_t>(
        q, [](float element, float scale) { return float_to_bf16(element * scale); });
}

}  // namespace hb
