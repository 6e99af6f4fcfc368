// SPDX-License-Identifier: Apache-2.0
// The AMX entry: products on the tile unit, all else as AVX-512. The tile unit flushes subnormal
// inputs and results to zero. The instructions are written out because the compiler's intrinsics of
// gcc 12 hide from it which memory they read.
#include "kernels/table.hpp"

#include "kernels/vector_avx512.inl"

#include "kernels/amx_tiles.inl"
#include "kernels/fast_rules.inl"
#include "kernels/hadamard.inl"
#include "kernels/look.inl"
#include "kernels/multiply.inl"
#include "kernels/rows.inl"

namespace hb {

namespace {

class TileUnit {
public:
    struct alignas(64) Shape {
        std::uint8_t palette = 1, start_row = 0, reserved[14] = {};
        std::uint16_t row_bytes[16] = {};
        std::uint8_t rows[16] = {};
    };

    ~TileUnit() { asm volatile("tilerelease" ::: "memory"); }

    // Costs 70 ns where it changes anything.
    void set_rows(int first, int second) {
        if (first == first_ && second == second_) return;
        first_ = first;
        second_ = second;
        Shape shape;
        for (int tile = 0; tile < 8; ++tile) {
            const bool lower = tile == 2 || tile == 3 || tile == 5;
            shape.row_bytes[tile] = 64;
            shape.rows[tile] = static_cast<std::uint8_t>(tile >= 6 ? 16 : lower ? second : first);
        }
        asm volatile("ldtilecfg %0" ::"m"(shape) : "memory");
    }

    template <int T>
    void zero() {
        asm volatile("tilezero %%tmm%c0" ::"i"(T));
    }

    template <int T>
    void load(const void* p, std::int64_t stride) {
        asm volatile("tileloadd (%0,%1,1), %%tmm%c2" ::"r"(p), "r"(stride), "i"(T) : "memory");
    }
    // into no cache nearer than L2
    template <int T>
    void stream(const void* p, std::int64_t stride) {
        asm volatile("tileloaddt1 (%0,%1,1), %%tmm%c2" ::"r"(p), "r"(stride), "i"(T) : "memory");
    }
    template <int T>
    void store(void* p, std::int64_t stride) {
        asm volatile("tilestored %%tmm%c2, (%0,%1,1)" ::"r"(p), "r"(stride), "i"(T) : "memory");
    }
    template <int C, int A, int B>
    void dot() {
        asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(C), "i"(A), "i"(B));
    }

private:
    int first_ = 0, second_ = 0;
};

// n fp32 -> three bf16 terms, each the nearest to what the terms before it left.
void split(const float* from, std::int64_t n, std::uint16_t* to, std::int64_t step) {
    for (std::int64_t i = 0; i < n; i += 16) {
        V rest = load(from + i);
        for (int term = 0; term < 3; ++term) {
            const N rounded = round_bits(rest);
            _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + term * step + i),
                                _mm512_cvtepi32_epi16(right<16>(rounded).v));
            rest = rest - floats(rounded & set(0xffff0000u));
        }
    }
}

void multiply_amx(const Multiply& m) {
    if (m.wide_b) return multiply(m);
    TileUnit unit;
    multiply_tiles(m, unit, split, expand);
}

void look_amx(const Look& l) {
    if (l.wide_keys) return look_by(l, kTileRows, multiply);
    TileUnit unit;
    look_by(l, 32, [&](const Multiply& m) { multiply_narrow(m, unit, expand); });
}

}  // namespace

const Kernels kAmxKernels = {
    "amx",    2,          multiply_amx, expand,        finish,   transpose, hadamard,
    to_lanes, kFastRules, rms_norm,     silu_multiply, look_amx, sum_exp,   kl_divergence,
};

}  // namespace hb
