// SPDX-License-Identifier: Apache-2.0
// prepare_operand against apply() and quantize_activation(), bit for bit, for every online rule and
// transform, on rows that are random, zero, huge, tiny, uneven or not finite; and the lane order.
#include <bit>

#include "kernels/sample.hpp"

namespace hb {

namespace {

constexpr std::int64_t kColumns = 320;

Matrix<float> trying_rows() {
    Random random{7};
    Matrix<float> x = normal_matrix(37, kColumns, 1);
    for (std::int64_t c = 0; c < kColumns; ++c) {
        x(3, c) = 0;
        x(4, c) *= 1e30f;
        x(5, c) *= 1e-30f;
        x(6, c) *= 1e-42f;
        x(7, c) = c == 100 ? 50.f : 0.f;
        x(8, c) *= std::exp2(static_cast<float>(static_cast<int>(random.bits() % 40) - 20));
        x(9, c) = static_cast<float>(static_cast<int>(random.bits() % 25) - 12) * .25f;  // ties
        x(10, c) = c % 3 ? -0.f : .5f;
        x(11, c) = static_cast<float>(c % 32) * (c % 2 ? .5f : -.5f);  // ties of int8, of groups
        if (c % 32 == 5) x(11, c) = 127.f + .25f * static_cast<float>(c / 32 % 4);
        x(30, c) *= x(30, c) * x(30, c);
        x(31, c) *= 3e37f;
    }
    x(32, 5) = INFINITY;
    x(33, 70) = NAN;
    return x;
}

// Where element i of a row lies.
// Where column c of row r lies in an operand.
std::size_t place(const Operand& o, std::int64_t r, std::int64_t c) {
    const std::int64_t in_block = c % 32, tile_row = r % 16;
    const std::int64_t tile = r / 16 * o.stride(), block = c / 32 * 32 * o.tile_rows();
    return static_cast<std::size_t>(tile + block + 32 * tile_row + 2 * (in_block % 16) +
                                    in_block / 16);
}

std::vector<const Kernels*> all_kernels() {
    auto all = wide_kernels();
    all.push_back(&ref());
    return all;
}

std::vector<std::string> transform_texts() {
    std::vector<std::string> texts{"none"};
    for (const TransformKind& kind : all_transforms()) {
        for (const int block : {2, 4, 8, 16, 32, 64})
            texts.push_back(fmt::format("{}:{}", kind.name, block));
    }
    return texts;
}

std::vector<std::pair<const Scheme*, ScaleRule>> online_rules() {
    std::vector<std::pair<const Scheme*, ScaleRule>> all;
    for (const auto schemes : {all_schemes(), all_input_schemes()})
        for (const Scheme& scheme : schemes)
            for (const ScaleRule& rule : all_scale_rules())
                if (scheme.quantized_activations && rule.family == scheme.family && rule.online)
                    all.emplace_back(&scheme, rule);
    return all;
}

void expect_reference(const Matrix<float>& x, const Transform& t, const ActivationQuantizer* q) {
    Matrix<float> expected = x;
    apply(t, expected.view());
    std::vector<std::uint32_t> scales;  // their bits, as one may be NaN
    for (std::int64_t r = 0; q && r < x.rows; ++r) {
        std::vector<float> row(expected.row(r), expected.row(r) + x.cols);
        const float scale = quantize_activation(*q, row.data(), x.cols, expected.row(r));
        if (q->scheme->by_row()) scales.push_back(std::bit_cast<std::uint32_t>(scale));
    }
    for (const Kernels* kernels : all_kernels()) {
        Threads two(2);
        Operand out;
        prepare_operand(*kernels, two, x.view(), t, q, Precision::bf16, out);
        ASSERT_EQ(out.padded_k(), (x.cols + 31) / 32 * 32);
        ASSERT_EQ(out.scales.size(), scales.size());
        for (std::size_t r = 0; r < scales.size(); ++r)
            ASSERT_EQ(std::bit_cast<std::uint32_t>(out.scales[r]), scales[r]) << r;
        for (std::int64_t r = 0; r < x.rows; ++r) {
            for (std::int64_t c = 0; c < out.padded_k(); ++c) {
                const auto bits = out.narrow[place(out, r, c)];
                const auto wanted = c < x.cols ? float_to_bf16(expected(r, c)) : std::uint16_t{0};
                ASSERT_EQ(bits, wanted) << name_of(*kernels) << ' ' << t.text() << ' ' << r << ' '
                                        << c << ' ' << (c < x.cols ? expected(r, c) : 0);
            }
        }
    }
}

TEST(PrepareOperand, TransformsAsApplyDoes) {
    for (const auto& text : transform_texts()) {
        expect_reference(trying_rows(), parse_transform(text, kColumns, 5), nullptr);
    }
    const auto wide = normal_matrix(3, 1024, 2);
    for (const int block : {128, 256, 512, 1024}) {
        expect_reference(wide, parse_transform(fmt::format("hadamard:{}", block), 1024, 5),
                         nullptr);
    }
    expect_reference(normal_matrix(3, 44, 2), parse_transform("hadamard:4", 44, 5), nullptr);
}

TEST(PrepareOperand, QuantizesAsTheReferenceDoesUnderEveryOnlineRule) {
    const auto x = trying_rows();
    for (const auto& [found, rule] : online_rules()) {
        const Scheme& scheme = *found;
        for (const float amax : {4.f, .01f, 3000.f, 1e20f}) {
            const ActivationQuantizer q{&scheme, &rule, rule.divisor(amax)};
            for (const char* text : {"none", "hadamard:64", "randomized-hadamard:16", "dct:32"}) {
                SCOPED_TRACE(rule.name);
                expect_reference(x, parse_transform(text, kColumns, 3), &q);
            }
        }
    }
}

// The batches that the fast paths take end in every place, and hold no row that they refuse.
TEST(PrepareOperand, QuantizesOrdinaryRowsOfAnyLength) {
    for (const auto& [found, rule] : online_rules()) {
        const Scheme& scheme = *found;
        for (std::int64_t groups = 1; groups < 20; ++groups) {
            const std::int64_t group = scheme.group_of(15);
            auto x = normal_matrix(11, groups * group, static_cast<std::uint64_t>(groups));
            for (float& v : x.values) v *= v * v;
            std::fill_n(x.row(2), group, 0.f);
            const ActivationQuantizer q{&scheme, &rule,
                                        rule.divisor(30.f + static_cast<float>(groups))};
            SCOPED_TRACE(rule.name);
            expect_reference(x, {}, &q);
        }
    }
}

TEST(MxCodes, GiveBackEveryQuantizedRow) {
    Threads one(1);
    for (const ScaleRule& rule : all_scale_rules()) {
        if (!rule.online || rule.family != Family::mx) continue;
        const ActivationQuantizer q{&find_scheme("mxfp4"), &rule, rule.divisor(1)};
        for (const std::int64_t rows : {1, 9, 16, 37}) {
            auto x = normal_matrix(rows, 160, 3);
            for (std::int64_t r = 0; r < rows; ++r)
                for (std::int64_t c = 0; c < 160; ++c)
                    x(r, c) =
                        std::ldexp(c / 32 == r % 6 ? 0 : x(r, c), static_cast<int>(r) * 6 - 110);
            Operand wanted;
            prepare_operand(ref(), one, x.view(), {}, &q, Precision::bf16, wanted);
            std::vector<std::uint8_t> codes(
                static_cast<std::size_t>(wanted.size() / 32 * kMxRowBytes));
            ASSERT_TRUE(to_mx_codes(ref(), wanted, codes.data())) << rule.name;
            for (const Kernels* kernels : all_kernels()) {
                auto same = codes;
                std::fill(same.begin(), same.end(), std::uint8_t{0xee});
                EXPECT_TRUE(to_mx_codes(*kernels, wanted, same.data()));
                EXPECT_TRUE(same == codes) << name_of(*kernels) << ' ' << rule.name << ' ' << rows;
                Operand got = wanted;
                std::fill(got.narrow.begin(), got.narrow.end(), std::uint16_t{0xeeee});
                from_mx_codes(*kernels, codes.data(), got);
                EXPECT_TRUE(got.narrow == wanted.narrow) << name_of(*kernels) << ' ' << rule.name;
            }
        }
    }
}

TEST(MxCodes, RefuseWhatTheyDoNotHold) {
    const float one_and_rest[][2] = {
        {1, 5},        {1, 2.5f}, {1, 0x1.02p0f},         {6, .25f},
        {1, INFINITY}, {1, NAN},  {0x1p-124f, 0x1p-125f}, {0x1p-130f, 0}};
    for (const auto& [a, b] : one_and_rest) {
        Matrix<float> x(1, 32);
        std::fill(x.values.begin(), x.values.end(), a);
        for (const int at : {0, 15, 16, 31}) {
            auto y = x;
            y(0, at) = b;
            const Operand operand = hb::operand(ref(), y);
            std::uint8_t codes[kMxRowBytes];
            for (const Kernels* kernels : all_kernels())
                EXPECT_FALSE(to_mx_codes(*kernels, operand, codes)) << a << ' ' << b << ' ' << at;
        }
    }
}

TEST(PrepareOperand, KeepsFloatsInLaneOrder) {
    const auto x = normal_matrix(9, 75, 3);
    for (const Kernels* kernels : all_kernels()) {
        const auto out = operand(*kernels, x, Precision::f32);
        for (std::int64_t r = 0; r < 9; ++r) {
            for (std::int64_t c = 0; c < 96; ++c) {
                EXPECT_EQ(out.wide[place(out, r, c)], c < 75 ? x(r, c) : 0);
            }
        }
    }
}

TEST(PrepareOperand, RefusesColumnsThatDoNotDivide) {
    Threads one(1);
    const auto x = normal_matrix(2, 40, 1);
    const ActivationQuantizer q{&find_scheme("mxfp4"), &find_scale_rule("mse", Family::mx), 1};
    Operand out;
    EXPECT_THROW(prepare_operand(ref(), one, x.view(), {}, &q, Precision::bf16, out), Error);
    const Transform t = parse_transform("hadamard:16", 64, 0);
    EXPECT_THROW(prepare_operand(ref(), one, x.view(), t, nullptr, Precision::bf16, out), Error);
}

}  // namespace

}  // namespace hb
