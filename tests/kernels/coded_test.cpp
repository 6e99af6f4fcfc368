// SPDX-License-Identifier: Apache-2.0
// A right side in 4-bit codes gives the bits of the bf16 numbers that it stands for: in every
// entry, for any shape and number of threads, with left sides for which scales can and cannot be
// applied late, and at the ends of the scales' range.
#include "kernels/sample.hpp"
#include "kernels/table.hpp"
#include "schemes/qtensor.hpp"

namespace hb {

namespace {

enum class Spread { moderate, whole };

// Any codes, scales of a usual range or any but NaN.
QTensor random_codes(const Scheme& scheme, std::int64_t n, std::int64_t k, Spread spread,
                     std::uint64_t seed) {
    Random random{seed};
    QTensor w{&scheme, n, k, Matrix<std::uint8_t>(n, k / 2), {}};
    w.scales.bits = Matrix<std::uint16_t>(n, k / scheme.group);
    for (auto& byte : w.codes.values) byte = static_cast<std::uint8_t>(random.bits());
    const bool mx = scheme.family == Family::mx;
    for (auto& bits : w.scales.bits.values) {
        const auto x = random.bits();
        if (spread == Spread::moderate)
            bits = static_cast<std::uint16_t>(mx ? 112 + x % 24 : 8 + x % 100);
        else if (mx)
            bits = static_cast<std::uint16_t>(x % 4 == 0 ? 0 : x % 4 == 1 ? 1 : x / 4 % 255);
        else
            bits = static_cast<std::uint16_t>(x % 2 == 0 ? x / 2 % 8 : x / 2 % 127);
    }
    return w;
}

ActivationQuantizer quantizer_of(std::string_view name) {
    const Scheme& scheme = name == "mxint8" ? all_input_schemes()[0] : find_scheme(name);
    const ScaleRule& rule = find_scale_rule(scheme.activation_rule, scheme.family);
    return {&scheme, &rule, rule.divisor(4)};
}

enum class Left { four_bit, eight_bit, narrow, tiny, huge, wild, wide };

Operand left_side(Left kind, const Scheme& scheme, std::int64_t rows, std::int64_t k) {
    Matrix<float> x = normal_matrix(rows, k, 5);
    Random random{6};
    if (kind == Left::four_bit) {
        const QTensor codes = random_codes(scheme, rows, k, Spread::moderate, 7);
        x = dequantize(codes);
    } else if (kind == Left::eight_bit) {
        const Matrix<float> given = x;
        for (std::int64_t r = 0; r < rows; ++r)  // whole groups; what is left stays as it is
            quantize_activation(quantizer_of("mxint8"), given.row(r), k / 32 * 32, x.row(r));
    } else if (kind == Left::wild) {
        for (float& v : x.values) v = std::ldexp(v, static_cast<int>(random.bits() % 240) - 130);
    } else if (kind == Left::tiny || kind == Left::huge) {
        for (float& v : x.values) v = std::ldexp(v, kind == Left::tiny ? -125 : 125);
    }
    return operand(ref(), x, kind == Left::wide ? Precision::f32 : Precision::bf16);
}

std::vector<const Kernels*> all_kernels() {
    auto all = wide_kernels();
    all.push_back(&ref());
    return all;
}

struct Shape {
    std::int64_t rows, n, k;
};

constexpr Shape kShapes[] = {
    {1, 16, 32},   {1, 300, 96},  {1, 577, 4128}, {2, 17, 64},   {2, 200, 2112}, {3, 31, 32},
    {4, 48, 96},   {5, 100, 128}, {6, 64, 320},   {7, 33, 576},  {8, 80, 32},    {13, 300, 160},
    {16, 16, 544}, {33, 1, 704},  {70, 129, 96},  {193, 40, 64}, {257, 33, 96},  {513, 70, 32},
};

class Coded : public testing::TestWithParam<Shape> {};

TEST_P(Coded, GivesTheBitsOfItsNumbersInBf16) {
    const auto [rows, n, given_k] = GetParam();
    Threads one(1), two(2), three(3);
    for (const char* name : {"mxfp4", "nvfp4"}) {
        const Scheme& scheme = find_scheme(name);
        const std::int64_t k = scheme.group == 16 ? given_k + 16 : given_k;
        for (const Spread spread : {Spread::moderate, Spread::whole}) {
            const QTensor w = random_codes(scheme, n, k, spread, 1);
            const auto coded = pack_codes(w, two);
            const auto plain = pack_bf16(dequantize_bf16(w).view(), two);
            EXPECT_EQ(coded.moderate, spread == Spread::moderate || scheme.group == 16);
            for (const Left left : {Left::four_bit, Left::eight_bit, Left::narrow, Left::tiny,
                                    Left::huge, Left::wild, Left::wide}) {
                if (left == Left::wide && rows > 70) continue;
                const auto a = left_side(left, scheme, rows, k);
                const auto expected = product(ref(), one, a, plain);
                for (const Kernels* kernels : all_kernels()) {
                    const auto label =
                        fmt::format("{} {} {} {}", name_of(*kernels), name,
                                    static_cast<int>(spread), static_cast<int>(left));
                    if (name_of(*kernels) == "amx") {  // it flushes subnormals: compare with itself
                        EXPECT_EQ(difference(product(*kernels, one, a, plain),
                                             product(*kernels, two, a, coded)),
                                  "")
                            << label;
                        continue;
                    }
                    Threads& threads = rows % 2 ? two : three;
                    for (Threads* t : {&one, &threads}) {
                        if (kernels == &ref() && t != &one) continue;
                        EXPECT_EQ(difference(expected, product(*kernels, *t, a, coded)), "")
                            << label << ' ' << t->count();
                    }
                }
            }
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Shapes, Coded, testing::ValuesIn(kShapes), [](const auto& shape) {
    return fmt::format("{}x{}x{}", shape.param.rows, shape.param.n, shape.param.k);
});

Operand quantized_side(const Kernels& kernels, Threads& threads, const Matrix<float>& x,
                       std::string_view scheme = "mxfp4") {
    const ActivationQuantizer q = quantizer_of(scheme);
    Operand a;
    prepare_operand(kernels, threads, x.view(), {}, &q, Precision::bf16, a);
    return a;
}

// Rows 1 and 3, where there are such, are zero and uneven.
Matrix<float> left_numbers(std::int64_t rows, std::int64_t k) {
    Matrix<float> x = normal_matrix(rows, k, 8);
    Random random{9};
    for (std::int64_t c = 0; c < k; ++c) {
        if (rows > 1) x(1, c) = 0;
        if (rows > 3) x(3, c) = std::ldexp(x(3, c), static_cast<int>(random.bits() % 40) - 20);
    }
    return x;
}

class WholeNumbers : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Left, WholeNumbers, testing::Values("mxfp4", "mxint8"),
                         [](const auto& scheme) { return scheme.param; });

// unit * numbers are the block's numbers, and sums start at -12 times those of the numbers, above
// the bits of 1.5 * 2^23.
TEST_P(WholeNumbers, AreThoseOfTheOperand) {
    Threads two(2);
    for (const Kernels* kernels : all_kernels()) {
        for (const std::int64_t rows : {1, 5, 16, 37}) {
            Operand a = quantized_side(*kernels, two, left_numbers(rows, 320), GetParam());
            EXPECT_EQ(a.is_whole, multiplies_whole_numbers(*kernels, rows));
            ASSERT_EQ(a.whole.size(), a.is_whole ? static_cast<std::size_t>(rows * 10) : 0u);
            for (std::int64_t i = 0; a.is_whole && i < rows * 10; ++i) {
                const WholeBlock& block = a.whole[static_cast<std::size_t>(i)];
                const std::uint16_t* lanes = a.narrow.data() + a.at(i / 10) + i % 10 * a.step();
                int sum = 0;
                for (int c = 0; c < 32; ++c) {  // byte c: 4 q, 4 q + 2 of both halves, then 4 q + 1
                    const int k = c / 8 * 4 + c / 4 % 2 + c % 2 * 2 + c / 2 % 2 * 16;
                    const float number = block.unit * static_cast<float>(block.numbers[c]);
                    ASSERT_EQ(number, bf16_to_float(lanes[k % 16 * 2 + k / 16])) << i << ' ' << c;
                    sum += block.numbers[c];
                }
                ASSERT_EQ(block.start, 0x4b400000 - 12 * sum);
            }
            const auto made = a.whole;
            a.whole.clear();
            make_whole(*kernels, a);
            EXPECT_EQ(a.whole.size(), made.size());
            EXPECT_TRUE(std::equal(made.begin(), made.end(), a.whole.begin(),
                                   [](const WholeBlock& x, const WholeBlock& y) {
                                       return std::memcmp(&x, &y, sizeof x) == 0;
                                   }));
        }
    }
}

TEST_P(WholeNumbers, GiveTheBitsOfRef) {
    Threads one(1), three(3);
    for (const std::int64_t rows : {1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 13, 33, 193, 257, 513}) {
        for (const auto& [n, k, scheme] : {std::tuple{16, 32, "mxfp4"},
                                           {200, 2240, "mxfp4"},
                                           {331, 96, "mxfp4"},
                                           {16, 32, "nvfp4"},
                                           {200, 2240, "nvfp4"},
                                           {331, 96, "nvfp4"},
                                           {40, 16448, "nvfp4"}}) {
            if (rows > 33 && k > 96) continue;
            const auto w =
                pack_codes(random_codes(find_scheme(scheme), n, k, Spread::moderate, 3), one);
            Matrix<float> x = left_numbers(rows, k);
            for (const bool huge : {false, true}) {
                if (huge) x(rows / 2, k / 2) = 1e30f;  // beyond the numbers that are taken so
                const auto expected =
                    product(ref(), one, quantized_side(ref(), one, x, GetParam()), w);
                for (const Kernels* kernels : wide_kernels()) {
                    for (Threads* threads : {&one, &three}) {
                        const Operand a = quantized_side(*kernels, *threads, x, GetParam());
                        EXPECT_EQ(a.is_whole, multiplies_whole_numbers(*kernels, rows) && !huge);
                        EXPECT_EQ(difference(expected, product(*kernels, *threads, a, w)), "")
                            << name_of(*kernels) << ' ' << scheme << ' ' << rows << ' ' << n << ' '
                            << huge;
                    }
                }
            }
        }
    }
}

// The largest sums that there are: 127 by 6 and -6, all of a block, are exact, and so is what is
// added to them.
TEST_P(WholeNumbers, HoldTheLargestSums) {
    Threads one(1);
    for (const auto& [scheme, unity] : {std::pair{"mxfp4", 127}, {"nvfp4", 0x38}}) {
        QTensor w = random_codes(find_scheme(scheme), 32, 64, Spread::moderate, 3);
        auto& bits = w.scales.bits.values;
        std::fill(bits.begin(), bits.end(), static_cast<std::uint16_t>(unity));
        for (std::int64_t n = 0; n < 32; ++n)
            std::fill_n(w.codes.row(n), 32, static_cast<std::uint8_t>(n % 2 ? 0xff : 0x77));
        const auto packed = pack_codes(w, one);
        for (const float largest : {127.f, -127.f, 6.f, -6.f}) {
            Matrix<float> x(9, 64);
            std::fill(x.values.begin(), x.values.end(), largest);
            const float number = bf16_to_float(quantized_side(ref(), one, x, GetParam()).narrow[0]);
            for (const Kernels* kernels : all_kernels()) {
                const Operand a = quantized_side(*kernels, one, x, GetParam());
                const auto got = product(*kernels, one, a, packed);
                for (std::int64_t r = 0; r < 9; ++r)
                    for (std::int64_t n = 0; n < 32; ++n)
                        ASSERT_EQ(got(r, n), number * 6 * 64 * (n % 2 ? -1 : 1))
                            << name_of(*kernels) << ' ' << scheme;
            }
        }
    }
}

// Q8_0 codes scaled late: whole numbers where there are some, rows beyond the numbers that are
// taken so, any number of rows; and ref against sums in whole numbers, rounded as the definition
// says.
TEST(LateScales, GiveTheBitsOfRefAndOfWholeNumbers) {
    Threads one(1), three(3);
    for (const auto& [n, k] :
         {std::pair<std::int64_t, std::int64_t>{16, 32}, {331, 96}, {72, 2240}}) {
        const Q8Tensor q = quantize_q8(normal_matrix(n, k, 4).view(), one);
        PackedMatrix w = pack_codes(q, one);
        w.late = true;
        for (const std::int64_t rows : {1, 2, 3, 7, 8, 9, 16, 37, 257}) {
            Matrix<float> x = left_numbers(rows, k);
            for (const bool huge : {false, true}) {
                if (huge) x(rows / 2, k / 2) = 1e30f;
                const Operand a = quantized_side(ref(), one, x, "mxint8");
                const auto expected = product(ref(), one, a, w);
                for (std::int64_t r = 0; r < rows; r += 5) {
                    for (std::int64_t c = 0; c < n; c += 7) {
                        float acc = 0;
                        for (std::int64_t block = 0; block < k / 32; ++block) {
                            double sum = 0;
                            for (int i = 0; i < 32; ++i)
                                sum += q.codes(c, 32 * block + i) *
                                       static_cast<double>(
                                           bf16_to_float(a.narrow[static_cast<std::size_t>(
                                               a.at(r) + block * a.step() + i % 16 * 2 + i / 16)]));
                            const float scaled =
                                static_cast<float>(sum) * f16_to_float(q.scales(c, block));
                            acc = acc + scaled;
                        }
                        ASSERT_EQ(acc, expected(r, c)) << r << ' ' << c;
                    }
                }
                for (const Kernels* kernels : wide_kernels())
                    for (Threads* threads : {&one, &three})
                        EXPECT_EQ(
                            difference(expected,
                                       product(*kernels, *threads,
                                               quantized_side(*kernels, *threads, x, "mxint8"), w)),
                            "")
                            << name_of(*kernels) << ' ' << rows << ' ' << n << ' ' << huge;
            }
        }
    }
}

// Gate and up leave their product in whole numbers; an operand used again is not left with old
// ones.
TEST_P(WholeNumbers, ComeOutOfGatedProducts) {
    Threads one(1), two(2);
    const Scheme& scheme = find_scheme("mxfp4");
    const auto gate = pack_codes(random_codes(scheme, 320, 96, Spread::moderate, 2), one),
               up = pack_codes(random_codes(scheme, 320, 96, Spread::moderate, 3), one);
    const ActivationQuantizer q = quantizer_of(GetParam());
    for (const Kernels* kernels : wide_kernels()) {
        Operand out;
        for (const std::int64_t rows : {40, 8, 1}) {
            const auto a = quantized_side(*kernels, two, normal_matrix(rows, 96, 8), GetParam());
            shape_operand(rows, 320, Precision::bf16, out);
            gated_gemm(*kernels, two, {a, gate, .1f}, {a, up, .1f}, {}, &q, out);
            Operand again = out;
            make_whole(*kernels, again);
            EXPECT_EQ(out.is_whole, multiplies_whole_numbers(*kernels, rows));
            ASSERT_EQ(out.whole.size(), again.whole.size());
            EXPECT_EQ(std::memcmp(out.whole.data(), again.whole.data(),
                                  out.whole.size() * sizeof(WholeBlock)),
                      0);
            prepare_operand(*kernels, one, left_numbers(rows, 320).view(), {}, nullptr,
                            Precision::bf16, out);
            EXPECT_FALSE(out.is_whole);
        }
    }
}

// One row against each scale and each code.
TEST(CodedScales, AreAllExact) {
    Threads one(1);
    for (const char* name : {"mxfp4", "nvfp4"}) {
        const Scheme& scheme = find_scheme(name);
        QTensor w{&scheme, 256, 32, Matrix<std::uint8_t>(256, 16), {}};
        w.scales.bits = Matrix<std::uint16_t>(256, 32 / scheme.group);
        for (std::int64_t n = 0; n < 256; ++n) {
            for (std::int64_t i = 0; i < 16; ++i)
                w.codes(n, i) = static_cast<std::uint8_t>(i * 17 + n);
            for (std::int64_t i = 0; i < 32 / scheme.group; ++i)
                w.scales.bits(n, i) = static_cast<std::uint16_t>((n + 77 * i) % 256);
        }
        const auto plain = pack_bf16(dequantize_bf16(w).view(), one), coded = pack_codes(w, one);
        EXPECT_FALSE(coded.moderate);
        for (std::int64_t k = 0; k < 32; ++k) {
            Matrix<float> x(1, 32);
            x(0, k) = 1;
            const auto a = operand(ref(), x);
            const auto expected = product(ref(), one, a, plain);
            for (const Kernels* kernels : all_kernels()) {
                const auto got = product(*kernels, one, a, coded);
                for (std::int64_t n = 0; n < 256; ++n) {
                    if (std::isnan(expected(0, n)) && std::isnan(got(0, n))) continue;
                    if (name_of(*kernels) == "amx" && std::fabs(expected(0, n)) < 0x1p-126f)
                        continue;
                    ASSERT_EQ(got(0, n), expected(0, n)) << name << ' ' << n << ' ' << k;
                }
            }
        }
    }
}

// Every code under every scale, moderate ones and all.
TEST(Expand, GivesThePanelsOfTheNumbersInBf16) {
    Threads one(1);
    for (const char* name : {"mxfp4", "nvfp4"}) {
        const Scheme& scheme = find_scheme(name);
        for (const int scales : {1, 127, 256}) {
            QTensor w = random_codes(scheme, 16, 32 * 256, Spread::moderate, 4);
            for (std::int64_t n = 0; n < 16; ++n) {
                for (std::int64_t i = 0; i < w.scales.bits.cols; ++i)
                    w.scales.bits(n, i) = static_cast<std::uint16_t>((n + i) % scales);
                for (auto& byte : w.codes.values) {  // no code is -0
                    if ((byte & 15) == 8) byte = static_cast<std::uint8_t>(byte & 0xf0);
                    if (byte >> 4 == 8) byte = static_cast<std::uint8_t>(byte & 15);
                }
            }
            const auto plain = pack_bf16(dequantize_bf16(w).view(), one),
                       coded = pack_codes(w, one);
            for (const Kernels* kernels : all_kernels()) {
                std::vector<std::uint16_t> out(plain.narrow.size());
                kernels->expand(coded.coded.data(), coded.coding, coded.moderate, 256, out.data());
                EXPECT_TRUE(std::equal(out.begin(), out.end(), plain.narrow.begin()))
                    << name_of(*kernels) << ' ' << name << ' ' << scales;
            }
        }
    }
}

TEST(Coded, ServesGatedProductsAndLosses) {
    Threads one(1), two(2);
    for (const char* name : {"mxfp4", "nvfp4"}) {
        const Scheme& scheme = find_scheme(name);
        const QTensor g = random_codes(scheme, 304, 96, Spread::moderate, 2),
                      u = random_codes(scheme, 304, 96, Spread::moderate, 3);
        const auto gate = pack_codes(g, one), up = pack_codes(u, one),
                   plain_gate = pack_bf16(dequantize_bf16(g).view(), one),
                   plain_up = pack_bf16(dequantize_bf16(u).view(), one);
        for (const std::int64_t rows : {1, 5, 40, 300}) {
            const auto a = left_side(Left::narrow, scheme, rows, 96);
            for (const Kernels* kernels : all_kernels()) {
                Operand expected, got;
                shape_operand(rows, 304, Precision::bf16, expected);
                shape_operand(rows, 304, Precision::bf16, got);
                gated_gemm(*kernels, one, {a, plain_gate, .01f}, {a, plain_up}, {}, nullptr,
                           expected);
                gated_gemm(*kernels, two, {a, gate, .01f}, {a, up}, {}, nullptr, got);
                EXPECT_TRUE(got.narrow == expected.narrow) << name_of(*kernels) << ' ' << rows;

                std::vector<std::int32_t> targets(static_cast<std::size_t>(rows), 17);
                std::vector<double> loss(targets.size()), wanted(targets.size());
                cross_entropy(*kernels, one, a, plain_gate, targets, wanted);
                cross_entropy(*kernels, two, a, gate, targets, loss);
                EXPECT_EQ(loss, wanted) << name_of(*kernels) << ' ' << rows;
            }
        }
    }
}

// k that ends inside a block, n inside a panel; codes of every value.
TEST(Int8Codes, GiveTheProductsOfTheirElementsInBf16) {
    Threads one(1), two(2);
    const Scheme& scheme = find_scheme("int8");
    for (const auto& [n, k] : {std::pair{16, 32}, {37, 75}, {300, 256}}) {
        QTensor w = make_qtensor(scheme, n, k, make_scales(scheme, n, k));
        Random random{7};
        for (auto& code : w.codes.values) code = static_cast<std::uint8_t>(random.bits());
        const auto codes = pack_codes(w, one), tiles = pack_bf16(dequantize_bf16(w).view(), one);
        EXPECT_EQ(codes.coding, Coding::q8);
        for (const int rows : {1, 2, 3, 16, 33}) {
            const auto a = operand(ref(), bf16_matrix(rows, k, 3));
            const auto wanted = product(ref(), one, a, tiles);
            auto all = wide_kernels();
            all.push_back(&ref());
            for (const Kernels* kernels : all)
                EXPECT_EQ(product(*kernels, two, a, codes).values, wanted.values)
                    << name_of(*kernels) << ' ' << n << ' ' << k << ' ' << rows;
        }
    }
}

TEST(PackCodes, TakeALittleMoreThanFourBitsAndRefuseIntegers) {
    Threads one(1);
    const QTensor mx = random_codes(find_scheme("mxfp4"), 64, 96, Spread::moderate, 1),
                  nv = random_codes(find_scheme("nvfp4"), 64, 96, Spread::moderate, 1),
                  integer = random_codes(find_scheme("int4g32"), 64, 96, Spread::moderate, 1);
    EXPECT_EQ(pack_codes(mx, one).coded.size(), 64u * 96 * 17 / 32);
    EXPECT_EQ(pack_codes(nv, one).coded.size(), 64u * 96 * 18 / 32);
    EXPECT_THROW(pack_codes(integer, one), Error);
}

}  // namespace

}  // namespace hb
