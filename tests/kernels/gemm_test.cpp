// SPDX-License-Identifier: Apache-2.0
// The dot product: its definition element by element, the same bits from every entry, any cut and
// any number of threads, the bound against fp64, and exactness for 4-bit operands.
#include "kernels/sample.hpp"
#include "kernels/table.hpp"
#include "schemes/qtensor.hpp"

namespace hb {

namespace {

struct Shape {
    std::int64_t rows, n, k;
};

constexpr Shape kShapes[] = {
    {1, 16, 32},   {2, 17, 40},   {3, 31, 64},    {4, 48, 33},    {5, 100, 96}, {6, 64, 320},
    {7, 33, 576},  {13, 300, 31}, {16, 16, 1},    {31, 65, 288},  {33, 1, 700}, {48, 32, 2080},
    {70, 129, 95}, {193, 40, 64}, {200, 272, 96}, {1, 577, 4133},
};

float dot(const float* a, const float* b, std::int64_t k) {
    float acc = 0;
    for (std::int64_t block = 0; block < k; block += 32) {
        float s[2] = {};
        for (std::int64_t i = block; i < std::min(k, block + 32); ++i) {
            float& chain = s[(i - block) / 16];
            chain = std::fma(a[i], b[i], chain);
        }
        acc = acc + (s[0] + s[1]);
    }
    return acc;
}

double exact_dot(const float* a, const float* b, std::int64_t k, double& magnitude) {
    double sum = magnitude = 0;
    for (std::int64_t i = 0; i < k; ++i) {
        sum += static_cast<double>(a[i]) * b[i];
        magnitude += std::fabs(static_cast<double>(a[i]) * b[i]);
    }
    return sum;
}

class Gemm : public testing::TestWithParam<Shape> {};

TEST_P(Gemm, RefIsTheDefinition) {
    const auto [rows, n, k] = GetParam();
    const auto x = bf16_matrix(rows, k, 1), w = bf16_matrix(n, k, 2);
    Threads one(1);
    const auto c = product(ref(), one, operand(ref(), x), pack(w.view(), Precision::bf16, one));
    for (std::int64_t r = 0; r < rows; ++r) {
        for (std::int64_t i = 0; i < n; ++i)
            ASSERT_EQ(c(r, i), dot(x.row(r), w.row(i), k)) << r << ' ' << i;
    }
}

TEST_P(Gemm, EveryEntryGivesTheBitsOfRefOnAnyNumberOfThreads) {
    const auto [rows, n, k] = GetParam();
    Threads one(1), two(2), three(3);
    const auto x = bf16_matrix(rows, k, 3), w = bf16_matrix(n, k, 4);
    const auto b = pack(w.view(), Precision::bf16, two);
    const auto expected = product(ref(), one, operand(ref(), x), b);
    for (const Kernels* kernels : wide_kernels()) {
        for (Threads* threads : {&one, &two, &three}) {
            EXPECT_EQ(difference(expected, product(*kernels, *threads, operand(*kernels, x), b)),
                      "")
                << name_of(*kernels) << ' ' << threads->count();
        }
    }
}

TEST_P(Gemm, WideOperandsKeepFullPrecision) {
    const auto [rows, n, k] = GetParam();
    Threads one(1);
    const auto x = normal_matrix(rows, k, 5), w = normal_matrix(n, k, 6),
               narrow = bf16_matrix(n, k, 6);
    for (const Precision right : {Precision::bf16, Precision::f32}) {
        const auto& side = right == Precision::bf16 ? narrow : w;
        const auto b = pack(side.view(), right, one);
        const auto expected = product(ref(), one, operand(ref(), x, Precision::f32), b);
        for (const Kernels* kernels : wide_kernels()) {
            const auto c = product(*kernels, one, operand(*kernels, x, Precision::f32), b);
            if (name_of(*kernels) != "amx" || right == Precision::f32) {
                EXPECT_EQ(difference(expected, c), "");
            }
            for (std::int64_t r = 0; r < rows; ++r) {
                for (std::int64_t i = 0; i < n; ++i) {
                    double magnitude;
                    const double sum = exact_dot(x.row(r), side.row(i), k, magnitude);
                    ASSERT_NEAR(c(r, i), sum,
                                magnitude * 0x1p-24 * (60 + static_cast<double>(k) / 32));
                }
            }
        }
    }
}

// Each product passes at most 16 roundings of its chain, one of s0 + s1 and one for each block
// behind it.
TEST_P(Gemm, LiesWithinItsBoundOfTheExactSum) {
    const auto [rows, n, k] = GetParam();
    Threads one(1);
    const auto x = bf16_matrix(rows, k, 7), w = bf16_matrix(n, k, 8);
    const auto c =
        product(pick_kernels(), one, operand(ref(), x), pack(w.view(), Precision::bf16, one));
    for (std::int64_t r = 0; r < rows; ++r) {
        for (std::int64_t i = 0; i < n; ++i) {
            double magnitude;
            const double sum = exact_dot(x.row(r), w.row(i), k, magnitude);
            ASSERT_NEAR(c(r, i), sum, magnitude * 0x1p-24 * (18 + static_cast<double>(k) / 32));
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Shapes, Gemm, testing::ValuesIn(kShapes), [](const auto& shape) {
    return fmt::format("{}x{}x{}", shape.param.rows, shape.param.n, shape.param.k);
});

// Rows of element * scale as the scheme's codec makes them.
Matrix<float> four_bit_matrix(const Scheme& scheme, std::int64_t rows, std::int64_t k,
                              std::uint64_t seed) {
    Random random{seed};
    Matrix<float> m(rows, k);
    for (std::int64_t r = 0; r < rows; ++r) {
        for (std::int64_t first = 0; first < k; first += scheme.group) {
            const int bits = scheme.family == Family::mx
                                 ? 117 + static_cast<int>(random.bits() % 20)
                                 : 1 + static_cast<int>(random.bits() % 126);
            const float scale = decode_scale(scheme.family, static_cast<std::uint16_t>(bits));
            for (std::int64_t i = first; i < first + scheme.group; ++i) {
                m(r, i) = scale * decode_element(scheme.family,
                                                 static_cast<std::uint8_t>(random.bits() & 15));
            }
        }
    }
    return m;
}

// Every group's product in fp64, where it is exact, then the adds of the definition.
TEST(GemmOfFourBits, GroupsAreExact) {
    Threads one(1);
    for (const char* name : {"mxfp4", "nvfp4"}) {
        const Scheme& scheme = find_scheme(name);
        const auto x = four_bit_matrix(scheme, 21, 320, 9),
                   w = four_bit_matrix(scheme, 37, 320, 10);
        const auto b = pack(w.view(), Precision::bf16, one);
        const auto c = product(pick_kernels(), one, operand(pick_kernels(), x), b);
        for (std::int64_t r = 0; r < x.rows; ++r) {
            for (std::int64_t n = 0; n < w.rows; ++n) {
                float acc = 0;
                for (std::int64_t block = 0; block < 320; block += 32) {
                    double s[2], magnitude;
                    for (int g = 0; g < 2; ++g) {
                        s[g] = exact_dot(x.row(r) + block + 16 * g, w.row(n) + block + 16 * g, 16,
                                         magnitude);
                    }
                    if (scheme.family == Family::mx) {
                        acc = static_cast<float>(acc + (s[0] + s[1]));  // one rounding
                    } else {
                        acc = acc + (static_cast<float>(s[0]) + static_cast<float>(s[1]));
                    }
                }
                ASSERT_EQ(c(r, n), acc) << name << ' ' << r << ' ' << n;
            }
        }
    }
}

TEST(GemmEpilogue, ScalesAddsAndBiasesInThisOrder) {
    Threads two(2);
    const auto x = bf16_matrix(50, 64, 11), w = bf16_matrix(70, 64, 12),
               bias = normal_matrix(1, 70, 13), before = normal_matrix(50, 70, 14);
    const auto b = pack(w.view(), Precision::bf16, two);
    const auto plain = product(ref(), two, operand(ref(), x), b);
    for (const Kernels* kernels : wide_kernels()) {
        const auto biased = product(*kernels, two, operand(*kernels, x), b, .37f, bias.row(0));
        Matrix<float> added = before;
        gemm(*kernels, two, operand(*kernels, x), b, added.view(), .37f, nullptr, true);
        for (std::int64_t r = 0; r < 50; ++r) {
            for (std::int64_t n = 0; n < 70; ++n) {
                const float scaled = .37f * plain(r, n);
                EXPECT_EQ(biased(r, n), scaled + bias(0, n));
                EXPECT_EQ(added(r, n), before(r, n) + scaled);
            }
        }
    }
}

TEST(Gemm, RefusesShapesThatDoNotFit) {
    Threads one(1);
    const auto x = bf16_matrix(2, 32, 1), w = bf16_matrix(3, 64, 1);
    Matrix<float> c(2, 3);
    const auto b = pack(w.view(), Precision::bf16, one);
    EXPECT_THROW(gemm(ref(), one, operand(ref(), x), b, c.view()), Error);
}

// The operand that prepare_operand makes of silu(gate) * up, each taken by gemm and the gate by
// ref.
TEST(GatedGemm, IsItsPartsOneAfterTheOther) {
    Threads one(1), two(2);
    const ActivationQuantizer q{&find_scheme("nvfp4"), &find_scale_rule("sweep4", Family::nv), 40},
        by_row{&find_scheme("int8"), &find_scale_rule("absmax", Family::int8), 1};
    for (const auto [rows, n, k] :
         {Shape{1, 64, 40}, {33, 304, 96}, {150, 128, 64}, {40, 768, 32}, {7, 40, 64}}) {
        const auto x = bf16_matrix(rows, k, 1), g = bf16_matrix(n, k, 2), u = bf16_matrix(n, k, 3),
                   bias = normal_matrix(1, n, 4);
        const auto gate = pack(g.view(), Precision::bf16, one),
                   up = pack(u.view(), Precision::bf16, one);
        for (const char* text : {"none", "hadamard:8", "hadamard:256"}) {
            const bool divides = n % 256 == 0 || std::string(text) != "hadamard:256";
            if (!divides) continue;
            const auto t = parse_transform(text, n, 1);
            for (const ActivationQuantizer* quantizer :
                 {&q, &by_row, static_cast<decltype(&q)>(nullptr)}) {
                if (quantizer && !quantizer->scheme->divides(n)) continue;
                const auto a = operand(ref(), x);
                auto gates = product(ref(), one, a, gate, .5f, bias.row(0));
                const auto ups = product(ref(), one, a, up, .25f);
                ref().silu_multiply(gates.row(0), 1, ups.row(0), 1, rows * n, gates.row(0));
                Operand expected, before, got, observed;
                prepare_operand(ref(), one, gates.view(), t, quantizer, Precision::bf16, expected);
                prepare_operand(ref(), one, gates.view(), t, nullptr, Precision::bf16, before);
                auto all = wide_kernels();
                all.push_back(&ref());
                for (const Kernels* kernels : all) {
                    shape_operand(rows, n, Precision::bf16, got);
                    shape_operand(rows, n, Precision::bf16, observed);
                    gated_gemm(*kernels, two, {a, gate, .5f, bias.row(0)}, {a, up, .25f}, t,
                               quantizer, got, &observed);
                    EXPECT_TRUE(got.scales == expected.scales);
                    EXPECT_TRUE(got.narrow == expected.narrow && observed.narrow == before.narrow)
                        << name_of(*kernels) << ' ' << rows << ' ' << n << ' ' << text;
                }
            }
        }
    }
}

// ((alpha * column) * sum) * row, + c, + bias, each rounded once, on every instruction set; a gated
// product takes the same.
TEST(Gemm, ScalesRowsAndColumnsAtTheEnd) {
    Threads one(1), two(2);
    for (const auto [rows, n, k] : {Shape{1, 16, 40}, {3, 37, 96}, {33, 300, 64}}) {
        auto a = operand(ref(), bf16_matrix(rows, k, 1));
        auto b = pack(bf16_matrix(n, k, 2).view(), Precision::bf16, one);
        const auto sums = product(ref(), one, a, b);
        const auto row = normal_matrix(1, rows, 3), column = normal_matrix(1, n, 4),
                   bias = normal_matrix(1, n, 5), before = normal_matrix(rows, n, 6);
        a.scales.assign(row.values.begin(), row.values.end());
        b.scales.assign(column.values.begin(), column.values.end());
        auto wanted = before;
        for (std::int64_t r = 0; r < rows; ++r) {
            for (std::int64_t c = 0; c < n; ++c) {
                const float factor = .3f * column(0, c), sum = factor * sums(r, c);
                const float scaled = sum * row(0, r), added = before(r, c) + scaled;
                wanted(r, c) = added + bias(0, c);
            }
        }
        auto all = wide_kernels();
        all.push_back(&ref());
        for (const Kernels* kernels : all) {
            auto got = before;
            gemm(*kernels, two, a, b, got.view(), .3f, bias.row(0), true);
            EXPECT_EQ(got.values, wanted.values) << name_of(*kernels) << ' ' << rows << ' ' << n;
            Operand gated, expected;
            shape_operand(rows, n, Precision::bf16, gated);
            gated_gemm(*kernels, two, {a, b, .3f}, {a, b, 2.f}, {}, nullptr, gated);
            auto gates = product(ref(), one, a, b, .3f);
            const auto ups = product(ref(), one, a, b, 2.f);
            ref().silu_multiply(gates.row(0), 1, ups.row(0), 1, rows * n, gates.row(0));
            prepare_operand(ref(), one, gates.view(), {}, nullptr, Precision::bf16, expected);
            EXPECT_TRUE(gated.narrow == expected.narrow) << name_of(*kernels) << ' ' << rows;
        }
    }
}

TEST(PackBf16, EqualsPack) {
    Threads one(1);
    const auto w = bf16_matrix(37, 75, 2);
    Matrix<std::uint16_t> bits(37, 75);
    for (std::size_t i = 0; i < bits.values.size(); ++i)
        bits.values[i] = float_to_bf16(w.values[i]);
    const auto a = pack(w.view(), Precision::bf16, one), b = pack_bf16(bits.view(), one);
    EXPECT_TRUE(a.narrow == b.narrow);
    EXPECT_EQ(a.narrow.size(), 48u * 96u);
}

TEST(FindKernels, NamesTheKnownOnes) {
    EXPECT_EQ(name_of(find_kernels("ref")), "ref");
    try {
        find_kernels("sse");
        FAIL();
    } catch (const Error& e) {
        EXPECT_NE(std::string(e.what()).find("avx512"), std::string::npos);
    }
}

}  // namespace

}  // namespace hb
