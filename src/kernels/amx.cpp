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
#include "kernels/mx_rows.inl"
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

// 32 bf16: what the low nibble of each 16-bit word stands for as E2M1, and the same again.
__m512i elements() {
    const __m256i half =
        _mm256_setr_epi16(0, 0x3f00, 0x3f80, 0x3fc0, 0x4000, 0x4040, 0x4080, 0x40c0, 0, -0x4100,
                          -0x4080, -0x4040, -0x4000, -0x3fc0, -0x3f80, -0x3f40);
    return _mm512_broadcast_i64x4(half);
}

// A quarter of a coded block as four lines of a tile: words of 16 bits hold four nibbles of one
// group, the lowest first. Under a moderate E8M0 scale a number's exponent field only grows or
// shrinks, unless it is zero.
struct ExpandPart {
    void part(const std::uint8_t* from, Coding coding, bool moderate, int part,
              std::uint16_t* to) const {
        if (coding == Coding::mx && moderate)
            mx_part(from, part, to);
        else if (coding == Coding::mx)
            any_part<Coding::mx>(from, moderate, part, to);
        else if (coding == Coding::nv)
            any_part<Coding::nv>(from, moderate, part, to);
        else if (coding == Coding::int8)
            any_part<Coding::int8>(from, moderate, part, to);
        else
            any_part<Coding::q8>(from, moderate, part, to);
    }

    static void mx_part(const std::uint8_t* from, int part, std::uint16_t* to) {
        const __m512i words = _mm512_loadu_si512(from + 64 * part), table = elements();
        const __m512i scales = _mm512_cvtepu8_epi32(
            _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + kCodeBytes)));
        const __m512i shift = _mm512_slli_epi16(
            _mm512_sub_epi16(_mm512_or_si512(scales, _mm512_slli_epi32(scales, 16)),
                             _mm512_set1_epi16(127)),
            7);
        const auto line = [&](int i, __m512i codes) {
            const __m512i number = _mm512_permutexvar_epi16(codes, table);
            const __mmask32 live = _mm512_test_epi16_mask(number, number);
            _mm512_storeu_si512(to + 32 * i, _mm512_maskz_add_epi16(live, number, shift));
        };
        line(0, words);
        line(1, _mm512_srli_epi16(words, 4));
        line(2, _mm512_srli_epi16(words, 8));
        line(3, _mm512_srli_epi16(words, 12));
    }

    template <Coding C>
    static void any_part(const std::uint8_t* from, bool moderate, int part, std::uint16_t* to) {
        CodedB<C, false> block{from, moderate};
        block.start();
        four_times([&]<int T>() {
            V even, odd;
            block.template pair<T>(part, even, odd);
            store(reinterpret_cast<std::uint32_t*>(to + 32 * T),
                  right<16>(bits(even)) | (bits(odd) & set(0xffff0000u)));
        });
    }
};

// One or two rows are a matter of reading the right side, for which the vector unit is the better
// one. Told to flush subnormal numbers as the tile unit does, it gives the same bits, but for
// scales that are subnormal themselves.
bool has_plain_scales(const Multiply& m) {
    return !m.coded_b || m.moderate || m.coding == Coding::q8;
}

void multiply_flushed(const Multiply& m) {
    constexpr unsigned kFlush = 0x8040;  // inputs (DAZ) and results (FTZ)
    const unsigned before = _mm_getcsr();
    _mm_setcsr(before | kFlush);
    multiply(m);
    _mm_setcsr(before);
}

void multiply_amx(const Multiply& m) {
    if (m.wide_b) return multiply(m);
    if (m.narrow_a && m.rows <= 2 && has_plain_scales(m)) return multiply_flushed(m);
    TileUnit unit;
    multiply_tiles(m, unit, split, ExpandPart{});
}

void look_amx(const Look& l) {
    if (l.wide_keys) return look_by(l, kTileRows, multiply);
    TileUnit unit;
    look_by(l, 32, [&](const Multiply& m) { multiply_narrow(m, unit, ExpandPart{}); });
}

}  // namespace

const Kernels kAmxKernels = {
    "amx",      2,        multiply_amx,  expand,    finish,      transpose,
    hadamard,   to_lanes, to_bf16,       from_bf16, to_mx_codes, from_mx_codes,
    kFastRules, rms_norm, silu_multiply, look_amx,  sum_exp,     kl_divergence,
};

}  // namespace hb
