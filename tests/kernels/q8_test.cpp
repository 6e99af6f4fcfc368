// SPDX-License-Identifier: Apache-2.0
// A right side in Q8_0 gives the bits of the bf16 numbers that its codes stand for: in every entry,
// for any shape and number of threads, for every code and scale, where a number lies in the middle
// between two bf16 too.
#include "schemes/q8.hpp"
#include "kernels/sample.hpp"
#include "kernels/table.hpp"

namespace hb {

namespace {

constexpr std::uint16_t kInfinity = 0x7c00;

// Any codes, any finite scales or those of a usual range.
Q8Tensor random_q8(std::int64_t n, std::int64_t k, bool usual, std::uint64_t seed) {
    Random random{seed};
    Q8Tensor w{n, k, Matrix<std::int8_t>(n, k), Matrix<std::uint16_t>(n, k / 32)};
    for (auto& code : w.codes.values) code = static_cast<std::int8_t>(random.bits());
    for (auto& bits : w.scales.values) {
        const auto x = static_cast<std::uint16_t>(random.bits());
        bits = usual ? static_cast<std::uint16_t>(0x0800 + x % 0x0800)
                     : static_cast<std::uint16_t>(x % kInfinity | (x & 0x8000));
    }
    return w;
}

std::vector<const Kernels*> all_kernels() {
    auto all = wide_kernels();
    all.push_back(&ref());
    return all;
}

struct Shape {
    std::int64_t rows, n, k;
};

class Q8 : public testing::TestWithParam<Shape> {};

TEST_P(Q8, GivesTheBitsOfItsNumbersInBf16) {
    const auto [rows, n, k] = GetParam();
    Threads one(1), two(2), three(3);
    for (const bool usual : {true, false}) {
        const Q8Tensor w = random_q8(n, k, usual, 1);
        const auto coded = pack_codes(w, two), plain = pack_bf16(dequantize_bf16(w).view(), two);
        for (const Precision left : {Precision::bf16, Precision::f32}) {
            const auto a = operand(ref(), normal_matrix(rows, k, 5), left);
            const auto expected = product(ref(), one, a, plain);
            for (const Kernels* kernels : all_kernels()) {
                const bool amx = name_of(*kernels) == "amx";  // it flushes subnormals
                for (Threads* threads : {&one, rows % 2 ? &two : &three}) {
                    const auto got = product(*kernels, *threads, a, coded);
                    EXPECT_EQ(difference(amx ? product(*kernels, one, a, plain) : expected, got),
                              "")
                        << name_of(*kernels) << ' ' << usual << ' ' << threads->count();
                }
            }
        }
    }
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, Q8,
    testing::Values(Shape{1, 16, 32}, Shape{1, 300, 96}, Shape{1, 577, 4128}, Shape{2, 17, 64},
                    Shape{2, 200, 2112}, Shape{3, 31, 32}, Shape{4, 48, 96}, Shape{5, 100, 128},
                    Shape{6, 64, 320}, Shape{7, 33, 576}, Shape{13, 300, 160}, Shape{16, 16, 544},
                    Shape{33, 1, 704}, Shape{70, 129, 96}, Shape{193, 40, 64}, Shape{257, 33, 96}),
    [](const auto& shape) {
        return fmt::format("{}x{}x{}", shape.param.rows, shape.param.n, shape.param.k);
    });

// All 256 codes under all 63488 finite scales.
TEST(Q8Expand, GivesThePanelsOfTheNumbersInBf16) {
    Threads one(1);
    constexpr std::int64_t kScales = 2 * kInfinity, kRows = 16, kGroups = kScales / 2;
    Q8Tensor w{kRows, 32 * kGroups, Matrix<std::int8_t>(kRows, 32 * kGroups),
               Matrix<std::uint16_t>(kRows, kGroups)};
    for (std::int64_t r = 0; r < kRows; ++r) {  // 8 rows of a scale and sign hold all codes
        for (std::int64_t g = 0; g < kGroups; ++g) {
            w.scales(r, g) = static_cast<std::uint16_t>(g | (r < 8 ? 0 : 0x8000));
            for (int i = 0; i < 32; ++i)
                w.codes(r, 32 * g + i) = static_cast<std::int8_t>(32 * r + i);
        }
    }
    const auto plain = pack_bf16(dequantize_bf16(w).view(), one), coded = pack_codes(w, one);
    std::vector<std::uint16_t> out(plain.narrow.size());
    for (const Kernels* kernels : all_kernels()) {
        kernels->expand(coded.coded.data(), coded.coding, coded.moderate, kGroups, out.data());
        EXPECT_TRUE(std::equal(out.begin(), out.end(), plain.narrow.begin())) << name_of(*kernels);
    }
}

TEST(Q8Pack, TakesAByteAndAHalfByteOfScaleAndRefusesWhatIsNotFinite) {
    Threads one(1);
    Q8Tensor w = random_q8(40, 96, true, 1);
    EXPECT_EQ(pack_codes(w, one).coded.size(), 48u * 96 * 34 / 32);
    w.scales(39, 2) = kInfinity;
    EXPECT_THROW(pack_codes(w, one), Error);
}

TEST(Q8, ServesGatedProductsAndLosses) {
    Threads one(1), two(2);
    const Q8Tensor w = random_q8(304, 96, true, 2);
    const auto coded = pack_codes(w, one), plain = pack_bf16(dequantize_bf16(w).view(), one);
    for (const std::int64_t rows : {1, 5, 40, 300}) {
        const auto a = operand(ref(), normal_matrix(rows, 96, 3));
        for (const Kernels* kernels : all_kernels()) {
            Operand expected, got;
            shape_operand(rows, 304, Precision::bf16, expected);
            shape_operand(rows, 304, Precision::bf16, got);
            gated_gemm(*kernels, one, {a, plain}, {a, plain}, {}, nullptr, expected);
            gated_gemm(*kernels, two, {a, coded}, {a, coded}, {}, nullptr, got);
            EXPECT_TRUE(got.narrow == expected.narrow) << name_of(*kernels) << ' ' << rows;

            std::vector<std::int32_t> targets(static_cast<std::size_t>(rows), 17);
            std::vector<double> loss(targets.size()), wanted(targets.size());
            cross_entropy(*kernels, one, a, plain, targets, wanted);
            cross_entropy(*kernels, two, a, coded, targets, loss);
            EXPECT_EQ(loss, wanted) << name_of(*kernels) << ' ' << rows;
        }
    }
}

}  // namespace

}  // namespace hb
