// SPDX-License-Identifier: Apache-2.0
// Attention: the formula in fp64, the bits of ref from every entry, and that a row's bits depend
// neither on the rows computed with it nor on what the cache holds behind it; with keys and values
// in fp32, bf16 and int8.
#include "kernels/sample.hpp"

namespace hb {

namespace {

struct Shape {
    std::int64_t heads, kv_heads, dim, length, window;
};

constexpr Shape kShapes[] = {{9, 3, 64, 150, 0}, {4, 4, 80, 70, 0},   {8, 2, 96, 200, 40},
                             {6, 1, 128, 97, 0}, {3, 3, 64, 131, 17}, {2, 1, 20, 300, 64}};

struct Rows {
    Matrix<float> q, k, v;
};

Rows rows_of(const Shape& s, std::uint64_t seed) {
    return {normal_matrix(s.length, s.heads * s.dim, seed, 2),
            normal_matrix(s.length, s.kv_heads * s.dim, seed + 1),
            normal_matrix(s.length, s.kv_heads * s.dim, seed + 2)};
}

float scale_of(const Shape& s) {
    return 1 / std::sqrt(static_cast<float>(s.dim));
}

enum class Kind { f32, bf16, int8 };
constexpr Kind kKinds[] = {Kind::f32, Kind::bf16, Kind::int8};

KvCache cache_for(const Shape& s, Kind kind, std::int64_t more = 0) {
    return KvCache(s.kv_heads, s.dim, (s.length + more + 31) / 32 * 32,
                   kind == Kind::bf16 ? Precision::bf16 : Precision::f32, kind == Kind::int8);
}

// What the cache makes of a key or value: code * scale in fp64.
Matrix<double> held(const Shape& s, const Matrix<float>& x, Kind kind) {
    Matrix<double> out(x.rows, x.cols);
    for (std::int64_t r = 0; r < x.rows; ++r) {
        for (std::int64_t head = 0; head < x.cols; head += s.dim) {
            float most = 0;
            for (std::int64_t d = head; d < head + s.dim; ++d)
                most = std::max(most, std::fabs(x(r, d)));
            float scale = round_to_bf16(most / 127);
            if (scale < most / 127) scale = std::nextafter(scale, INFINITY);
            while (round_to_bf16(scale) != scale) scale = std::nextafter(scale, INFINITY);
            for (std::int64_t d = head; d < head + s.dim; ++d) {
                out(r, d) = kind == Kind::f32    ? x(r, d)
                            : kind == Kind::bf16 ? round_to_bf16(x(r, d))
                                                 : double{std::nearbyint(x(r, d) / scale)} * scale;
            }
        }
    }
    return out;
}

Matrix<float> at_once(const Kernels& kernels, int count, const Shape& s, const Rows& x, Kind kind) {
    Threads threads(count);
    KvCache cache = cache_for(s, kind);
    append(cache, threads, x.k.view(), x.v.view());
    Matrix<float> out(s.length, x.q.cols);
    attention(kernels, threads, x.q.view(), 0, cache, scale_of(s), s.window, out.view());
    return out;
}

Matrix<float> in_chunks(const Kernels& kernels, const Shape& s, const Rows& x, Kind kind,
                        std::int64_t chunk) {
    Threads threads(2);
    KvCache cache = cache_for(s, kind, 1000);
    Matrix<float> out(s.length, x.q.cols);
    for (std::int64_t first = 0; first < s.length; first += chunk) {
        const std::int64_t n = std::min(chunk, s.length - first);
        append(cache, threads, x.k.view().middle_rows(first, n), x.v.view().middle_rows(first, n));
        attention(kernels, threads, x.q.view().middle_rows(first, n), first, cache, scale_of(s),
                  s.window, out.view().middle_rows(first, n));
    }
    return out;
}

class Attention : public testing::TestWithParam<Shape> {};

TEST_P(Attention, IsTheFormula) {
    const Shape s = GetParam();
    const Rows x = rows_of(s, 1);
    for (const Kind kind : kKinds) {
        const auto out = at_once(pick_kernels(), 2, s, x, kind);
        const bool narrow = kind != Kind::f32;
        const auto k = held(s, x.k, kind), v = held(s, x.v, kind);
        const auto round = [&](float q) { return double{narrow ? round_to_bf16(q) : q}; };
        for (std::int64_t r = 0; r < s.length; r += 7) {
            for (std::int64_t head = 0; head < s.heads; ++head) {
                const std::int64_t kv = head / (s.heads / s.kv_heads) * s.dim;
                const std::int64_t begin =
                    s.window ? std::max<std::int64_t>(0, r + 1 - s.window) : 0;
                std::vector<double> e(static_cast<std::size_t>(r + 1));
                double sum = 0;
                for (std::int64_t p = begin; p <= r; ++p) {
                    double score = 0;
                    for (std::int64_t d = 0; d < s.dim; ++d)
                        score += round(x.q(r, head * s.dim + d)) * k(p, kv + d);
                    sum += e[static_cast<std::size_t>(p)] = std::exp(score * scale_of(s));
                }
                for (std::int64_t d = 0; d < s.dim; ++d) {
                    double wanted = 0, magnitude = 0;
                    for (std::int64_t p = begin; p <= r; ++p) {
                        const double term = e[static_cast<std::size_t>(p)] / sum * v(p, kv + d);
                        wanted += term;
                        magnitude += std::fabs(term);
                    }
                    ASSERT_NEAR(out(r, head * s.dim + d), wanted,
                                magnitude * (narrow ? 0x1p-8 : 1e-5));
                }
            }
        }
    }
}

TEST_P(Attention, EveryEntryGivesTheBitsOfRef) {
    const Shape s = GetParam();
    const Rows x = rows_of(s, 4);
    for (const Kind kind : kKinds) {
        const auto expected = at_once(ref(), 1, s, x, kind);
        for (const Kernels* kernels : wide_kernels()) {
            for (const int threads : {1, 3}) {
                EXPECT_EQ(difference(expected, at_once(*kernels, threads, s, x, kind)), "")
                    << name_of(*kernels);
            }
        }
    }
}

TEST_P(Attention, ARowDoesNotDependOnItsNeighbours) {
    const Shape s = GetParam();
    const Rows x = rows_of(s, 7);
    for (const Kind kind : kKinds) {
        for (const Kernels* kernels : wide_kernels()) {
            const auto whole = at_once(*kernels, 2, s, x, kind);
            for (const std::int64_t chunk : {1, 5, 64}) {
                EXPECT_EQ(difference(whole, in_chunks(*kernels, s, x, kind, chunk)), "")
                    << name_of(*kernels) << ' ' << chunk;
            }
        }
    }
}

// Rows computed when the cache already holds later positions.
TEST_P(Attention, ARowDoesNotDependOnLaterPositions) {
    const Shape s = GetParam();
    const Rows x = rows_of(s, 10);
    Threads two(2);
    for (const Kind kind : {Kind::bf16, Kind::int8}) {
        KvCache cache = cache_for(s, kind);
        append(cache, two, x.k.view(), x.v.view());
        const auto whole = at_once(pick_kernels(), 1, s, x, kind);
        for (std::int64_t first = 0; first < s.length; first += 13) {
            Matrix<float> one(1, x.q.cols), expected(1, x.q.cols);
            attention(pick_kernels(), two, x.q.view().middle_rows(first, 1), first, cache,
                      scale_of(s), s.window, one.view());
            std::copy_n(whole.row(first), x.q.cols, expected.row(0));
            EXPECT_EQ(difference(expected, one), "") << first;
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Shapes, Attention, testing::ValuesIn(kShapes), [](const auto& shape) {
    const Shape& s = shape.param;
    return fmt::format("{}on{}x{}at{}window{}", s.heads, s.kv_heads, s.dim, s.length, s.window);
});

TEST(KvCacheAppend, RefusesMoreThanItHolds) {
    KvCache cache(1, 16, 32, Precision::bf16);
    Threads one(1);
    const auto k = normal_matrix(33, 16, 1);
    EXPECT_THROW(append(cache, one, k.view(), k.view()), Error);
    EXPECT_THROW(KvCache(1, 16, 33, Precision::bf16), Error);
}

TEST(AttentionCheck, RefusesPositionsWithoutKeys) {
    Threads one(1);
    KvCache cache(1, 16, 32, Precision::bf16);
    const auto q = normal_matrix(1, 16, 1);
    Matrix<float> out(1, 16);
    EXPECT_THROW(attention(ref(), one, q.view(), 0, cache, 1, 0, out.view()), Error);
}

}  // namespace

}  // namespace hb
