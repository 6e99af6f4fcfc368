// SPDX-License-Identifier: Apache-2.0
// Laws of every format: nearest, ties to even, monotone, saturating, never a NaN from a number.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include "core/random.hpp"
#include "formats/all.hpp"

namespace hb {

namespace {

template <class List>
struct AsTestTypes;
template <class... F>
struct AsTestTypes<TypeList<F...>> {
    using type = testing::Types<F...>;
};

template <class F>
std::vector<std::uint8_t> number_codes() {
    std::vector<std::uint8_t> codes;
    for (int code = 0; code < 1 << F::bits; ++code) {
        const auto c = static_cast<std::uint8_t>(code);
        if (!std::isnan(F::decode(c))) codes.push_back(c);
    }
    return codes;
}

// Brute force in double: the nearest of all numbers, and of two the one with the even code.
template <class F>
float nearest(float x) {
    x = std::clamp<float>(x, F::min, F::max);  // beyond the ends double cannot tell the distances
    const auto codes = number_codes<F>();
    const auto better = [x](std::uint8_t a, std::uint8_t b) {
        const double da = std::fabs(static_cast<double>(x) - F::decode(a));
        const double db = std::fabs(static_cast<double>(x) - F::decode(b));
        return da != db ? da < db : a % 2 < b % 2;
    };
    return F::decode(*std::min_element(codes.begin(), codes.end(), better));
}

// Every number, every midpoint, what lies right beside them, and what lies outside.
template <class F>
std::vector<float> probes() {
    std::vector<float> values, out;
    for (const auto code : number_codes<F>()) values.push_back(F::decode(code));
    std::sort(values.begin(), values.end());
    const float inf = std::numeric_limits<float>::infinity();
    for (std::size_t i = 0; i < values.size(); ++i) {
        const double next = i + 1 < values.size() ? values[i + 1] : values[i];
        for (const double x : {1. * values[i], (values[i] + next) / 2}) {
            const auto f = static_cast<float>(x);
            for (const float p : {f, std::nextafter(f, inf), std::nextafter(f, -inf)})
                out.push_back(p);
        }
    }
    for (const float x : {1e-45f, 1e-38f, 1e30f, std::numeric_limits<float>::max(), inf}) {
        out.push_back(x);
        out.push_back(-x);
    }
    std::sort(out.begin(), out.end());
    return out;
}

}  // namespace

template <class F>
class EveryFormat : public testing::Test {};
TYPED_TEST_SUITE(EveryFormat, AsTestTypes<AllFormats>::type);

TYPED_TEST(EveryFormat, EncodesToTheNearestAndTiesToTheEvenCode) {
    for (const float x : probes<TypeParam>()) {
        if (std::isinf(x)) continue;
        EXPECT_EQ(TypeParam::decode(TypeParam::encode(x)), nearest<TypeParam>(x)) << x;
    }
    Random random{7};
    for (int i = 0; i < 20000; ++i) {
        const float x = random.normal() * static_cast<float>(std::exp2(16 * random.uniform() - 10));
        EXPECT_EQ(TypeParam::decode(TypeParam::encode(x)), nearest<TypeParam>(x)) << x;
    }
}

TYPED_TEST(EveryFormat, RoundTripsEveryCode) {
    for (const auto code : number_codes<TypeParam>()) {
        EXPECT_EQ(TypeParam::encode(TypeParam::decode(code)), code);
    }
}

TYPED_TEST(EveryFormat, IsMonotone) {
    float last = TypeParam::min;
    for (const float x : probes<TypeParam>()) {
        const float y = TypeParam::decode(TypeParam::encode(x));
        EXPECT_GE(y, last) << x;
        last = y;
    }
}

TYPED_TEST(EveryFormat, SaturatesAtItsEnds) {
    float largest = TypeParam::min, smallest = TypeParam::max;
    for (const auto code : number_codes<TypeParam>()) {
        largest = std::max(largest, TypeParam::decode(code));
        smallest = std::min(smallest, TypeParam::decode(code));
    }
    EXPECT_EQ(largest, TypeParam::max);
    EXPECT_EQ(smallest, TypeParam::min);
    const float inf = std::numeric_limits<float>::infinity();
    EXPECT_EQ(TypeParam::decode(TypeParam::encode(inf)), TypeParam::max);
    EXPECT_EQ(TypeParam::decode(TypeParam::encode(-inf)), TypeParam::min);
}

TYPED_TEST(EveryFormat, NeverMakesNanOfANumberNorACodeTooWide) {
    for (std::uint64_t u = 0; u < 1ull << 32; u += 65521) {
        const float x = std::bit_cast<float>(static_cast<std::uint32_t>(u));
        const auto code = TypeParam::encode(x);
        EXPECT_LT(code, 1 << TypeParam::bits);
        EXPECT_TRUE(std::isnan(x) || !std::isnan(TypeParam::decode(code))) << x;
    }
}

template <class F>
class EveryElement : public testing::Test {};
using Elements = testing::Types<E2M1, E4M3, Int4, Int8>;
TYPED_TEST_SUITE(EveryElement, Elements);

TYPED_TEST(EveryElement, RoundIsEncodeThenDecode) {
    for (const float x : probes<TypeParam>()) {
        EXPECT_EQ(TypeParam::round(x), TypeParam::decode(TypeParam::encode(x))) << x;
    }
}

TEST(Minifloats, DecodeByTheDefinition) {
    const auto value = [](int code, int exponent_bits, int mantissa_bits, int bias) {
        const int mantissa = code & ((1 << mantissa_bits) - 1);
        const int exponent = code >> mantissa_bits & ((1 << exponent_bits) - 1);
        const double fraction = mantissa / std::exp2(mantissa_bits);
        return exponent ? std::exp2(exponent - bias) * (1 + fraction)
                        : std::exp2(1 - bias) * fraction;
    };
    for (int code = 0; code < 8; ++code) {
        EXPECT_EQ(E2M1::decode(static_cast<std::uint8_t>(code)), value(code, 2, 1, 1));
        EXPECT_EQ(E2M1::decode(static_cast<std::uint8_t>(code | 8)), -value(code, 2, 1, 1));
    }
    for (int code = 0; code < 127; ++code) {
        EXPECT_EQ(E4M3::decode(static_cast<std::uint8_t>(code)), value(code, 4, 3, 7));
        EXPECT_EQ(E4M3::decode(static_cast<std::uint8_t>(code | 128)), -value(code, 4, 3, 7));
    }
    for (int code = 0; code < 255; ++code) {
        EXPECT_EQ(E8M0::decode(static_cast<std::uint8_t>(code)), std::exp2(code - 127.));
    }
}

TEST(Nans, AreWhatEachFormatSays) {
    const float nan = std::numeric_limits<float>::quiet_NaN();
    EXPECT_EQ(E2M1::encode(nan) & 7, 0);
    EXPECT_EQ(E4M3::encode(nan), 0x7f);
    EXPECT_EQ(E8M0::encode(nan), 0);
    EXPECT_EQ(Int4::encode(nan), 0);
    EXPECT_EQ(Int8::encode(nan), 0x80);
    EXPECT_TRUE(std::isnan(E4M3::decode(0xff)) && std::isnan(E8M0::decode(255)));
}

}  // namespace hb
