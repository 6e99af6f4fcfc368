// SPDX-License-Identifier: Apache-2.0
// The tile loops on a model of the tile unit, so that their order and addresses are checked on
// machines without one: TDPBF16PS as it is specified, with tiles that hold no more rows than they
// are set to.
#include "kernels/sample.hpp"
#include "kernels/table.hpp"
#include "schemes/qtensor.hpp"

#include "kernels/vector_avx2.inl"

#include "kernels/amx_coded.inl"
#pragma GCC diagnostic ignored "-Wunused-function"  // of the rows' tasks only some serve here
#include "kernels/look.inl"

namespace hb {

namespace {

struct ModelTiles {
    std::uint8_t tiles[8][16][64] = {};
    int rows[8] = {};

    void set_rows(int first, int second) {
        const int wanted[8] = {first, first, second, second, first, second, 16, 16};
        std::copy(wanted, wanted + 8, rows);
        for (auto& tile : tiles)
            std::memset(tile, 0xff, sizeof tile);  // NaN where nothing was loaded
    }
    template <int T>
    void zero() {
        std::memset(tiles[T], 0, sizeof tiles[T]);
    }
    template <int T>
    void load(const void* p, std::int64_t stride) {
        for (int r = 0; r < rows[T]; ++r)
            std::memcpy(tiles[T][r], static_cast<const char*>(p) + r * stride, 64);
    }
    template <int T>
    void stream(const void* p, std::int64_t stride) {
        load<T>(p, stride);
    }
    template <int T>
    void store(void* p, std::int64_t stride) {
        for (int r = 0; r < rows[T]; ++r)
            std::memcpy(static_cast<char*>(p) + r * stride, tiles[T][r], 64);
    }
    float number(int tile, int row, int i) const {
        std::uint16_t bits;
        std::memcpy(&bits, tiles[tile][row] + 2 * i, 2);
        return bf16_to_float(bits);
    }
    template <int C, int A, int B>
    void dot() {
        for (int m = 0; m < rows[C]; ++m) {
            for (int n = 0; n < 16; ++n) {
                float s[2] = {}, c;
                for (int i = 0; i < 32; ++i) {
                    s[i % 2] = std::fma(number(A, m, i), number(B, i / 2, 2 * n + i % 2), s[i % 2]);
                }
                std::memcpy(&c, tiles[C][m] + 4 * n, 4);
                c = c + (s[0] + s[1]);
                std::memcpy(tiles[C][m] + 4 * n, &c, 4);
            }
        }
    }
};

void split(const float* from, std::int64_t n, std::uint16_t* to, std::int64_t step) {
    for (std::int64_t i = 0; i < n; ++i) {
        float rest = from[i];
        for (int term = 0; term < 3; ++term) {
            to[term * step + i] = float_to_bf16(rest);
            rest = rest - bf16_to_float(to[term * step + i]);
        }
    }
}

struct ModelPart {
    Coding coding;
    bool moderate;

    std::int64_t bytes() const { return coded_bytes(coding); }
    void operator()(const std::uint8_t* from, int quarter, std::uint16_t* to) const {
        std::uint16_t tile[kTile];
        ref().expand(from, coding, moderate, 1, tile);
        std::copy_n(tile + quarter * kTile / 4, kTile / 4, to);
    }
};
struct Expand {
    template <class Body>
    void pick(Coding coding, bool moderate, const Body& body) const {
        body(ModelPart{coding, moderate});
    }
};

void multiply_on_model(const Multiply& m) {
    if (m.wide_b) return ref().multiply(m);
    ModelTiles tiles;
    multiply_tiles(m, tiles, split, Expand{});
}

void look_on_model(const Look& l) {
    ModelTiles tiles;
    look_by(l, 32, [&](const Multiply& m) { multiply_narrow(m, tiles, Expand{}); });
}

Kernels model_kernels() {
    Kernels kernels = ref();
    kernels.name = "model";
    kernels.panels = 2;
    kernels.multiply = multiply_on_model;
    kernels.look = look_on_model;
    return kernels;
}

struct Shape {
    std::int64_t rows, n, k;
};

TEST(AmxTiles, GiveTheBitsOfRef) {
    const Kernels model = model_kernels();
    Threads one(1);
    for (const auto [rows, n, k] : {Shape{1, 16, 32},
                                    {15, 17, 40},
                                    {16, 48, 96},
                                    {17, 33, 576},
                                    {32, 100, 64},
                                    {33, 64, 31},
                                    {70, 129, 95},
                                    {200, 40, 64},
                                    {5, 600, 64},
                                    {3, 20, 5000},
                                    {40, 70, 4200}}) {
        const auto x = bf16_matrix(rows, k, 1), w = bf16_matrix(n, k, 2);
        const auto b = pack(w.view(), Precision::bf16, one);
        EXPECT_EQ(difference(product(ref(), one, operand(ref(), x), b),
                             product(model, one, operand(ref(), x), b)),
                  "")
            << rows << ' ' << n << ' ' << k;
    }
}

TEST(AmxTiles, ExpandCodes) {
    const Kernels model = model_kernels();
    Threads one(1);
    for (const char* name : {"mxfp4", "nvfp4"}) {
        const Scheme& scheme = find_scheme(name);
        for (const auto [rows, n, k] :
             {Shape{1, 16, 32}, {17, 33, 608}, {33, 64, 1216}, {200, 40, 64}, {5, 600, 64}}) {
            Scales scales{1, Matrix<std::uint16_t>(n, k / scheme.group)};
            Random random{3};
            for (auto& bits : scales.bits.values)
                bits = static_cast<std::uint16_t>(60 + random.bits() % 60);
            const QTensor w = quantize(normal_matrix(n, k, 2).view(), scheme, std::move(scales));
            const auto coded = pack_codes(w, one),
                       plain = pack_bf16(dequantize_bf16(w).view(), one);
            for (const Precision left : {Precision::bf16, Precision::f32}) {
                const auto a = operand(ref(), normal_matrix(rows, k, 1), left);
                EXPECT_EQ(difference(product(model, one, a, plain), product(model, one, a, coded)),
                          "")
                    << name << ' ' << rows << ' ' << n << ' ' << k;
            }
        }
    }
}

TEST(AmxTiles, ExpandEightBitCodes) {
    const Kernels model = model_kernels();
    Threads one(1);
    for (const auto [rows, n, k] :
         {Shape{1, 16, 32}, {17, 33, 608}, {33, 64, 1216}, {200, 40, 64}, {5, 600, 64}}) {
        const Q8Tensor w = quantize_q8(normal_matrix(n, k, 2).view(), one);
        const auto coded = pack_codes(w, one), plain = pack_bf16(dequantize_bf16(w).view(), one);
        for (const Precision left : {Precision::bf16, Precision::f32}) {
            const auto a = operand(ref(), normal_matrix(rows, k, 1), left);
            EXPECT_EQ(difference(product(model, one, a, plain), product(model, one, a, coded)), "")
                << rows << ' ' << n << ' ' << k;
        }
    }
}

TEST(AmxTiles, KeepFullPrecisionOfWideOperands) {
    const Kernels model = model_kernels();
    Threads one(1);
    for (const auto [rows, n, k] : {Shape{1, 16, 32}, {40, 33, 700}, {200, 17, 96}}) {
        const auto x = normal_matrix(rows, k, 1), w = bf16_matrix(n, k, 2);
        const auto c = product(model, one, operand(ref(), x, Precision::f32),
                               pack(w.view(), Precision::bf16, one));
        for (std::int64_t r = 0; r < rows; ++r) {
            for (std::int64_t i = 0; i < n; ++i) {
                double sum = 0, magnitude = 0;
                for (std::int64_t j = 0; j < k; ++j) {
                    sum += static_cast<double>(x(r, j)) * w(i, j);
                    magnitude += std::fabs(static_cast<double>(x(r, j)) * w(i, j));
                }
                ASSERT_NEAR(c(r, i), sum,
                            magnitude * 0x1p-24 * (20 + 3 * static_cast<double>(k) / 32));
            }
        }
    }
}

TEST(AmxTiles, ServeGramAndAttention) {
    const Kernels model = model_kernels();
    Threads one(1);
    const auto x = bf16_matrix(90, 100, 3);
    Matrix<float> h(100, 100), expected(100, 100);
    Transposed transposed;
    shape_transposed(90, 100, transposed);
    take_tokens(ref(), operand(ref(), x), 0, transposed);
    accumulate_gram(model, one, transposed, h.view());
    accumulate_gram(ref(), one, transposed, expected.view());
    EXPECT_EQ(difference(expected, h), "");

    for (const bool coded : {false, true}) {
        for (const std::int64_t dim : {64, 20, 80}) {
            KvCache cache(2, dim, 320, Precision::bf16, coded);
            const auto q = normal_matrix(290, 4 * dim, 4), kv = normal_matrix(290, 2 * dim, 5);
            append(cache, one, kv.view(), kv.view());
            for (const std::int64_t rows : {290, 40, 1}) {
                const View<const float> last = q.view().middle_rows(290 - rows, rows);
                Matrix<float> out(rows, 4 * dim), wanted(rows, 4 * dim);
                attention(model, one, last, 290 - rows, cache, .125f, 0, out.view());
                attention(ref(), one, last, 290 - rows, cache, .125f, 0, wanted.view());
                EXPECT_EQ(difference(wanted, out), "") << coded << ' ' << dim << ' ' << rows;
            }
        }
    }
}

}  // namespace

}  // namespace hb
