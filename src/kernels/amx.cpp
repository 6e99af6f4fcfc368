// SPDX-License-Identifier: Apache-2.0
// The AMX entry: products on the tile unit, all else as AVX-512. The tile unit flushes subnormal
// inputs and results to zero. The instructions are written out because the compiler's intrinsics of
// gcc 12 hide from it which memory they read.
#include "kernels/table.hpp"

#include "kernels/vector_avx512.inl"

#include "kernels/amx_coded.inl"
#include "kernels/fast_rules.inl"
#include "kernels/hadamard.inl"
#include "kernels/look.inl"
#include "kernels/multiply_q8_ints.inl"
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

// A quarter of a coded block as four lines of a tile: words of 16 bits hold four nibbles of one
// group, the lowest first.
template <class Line>
[[gnu::always_inline]] inline void four_lines(const std::uint8_t* words, std::uint16_t* to,
                                              const Line& line) {
    const __m512i w = _mm512_loadu_si512(words);
    _mm512_storeu_si512(to, line(w));
    _mm512_storeu_si512(to + 32, line(_mm512_srli_epi16(w, 4)));
    _mm512_storeu_si512(to + 64, line(_mm512_srli_epi16(w, 8)));
    _mm512_storeu_si512(to + 96, line(_mm512_srli_epi16(w, 12)));
}

// The 16 bytes, one for each row, as two equal or two different halves of 32 bits.
__m512i bytes_of_rows(const std::uint8_t* even, const std::uint8_t* odd) {
    const auto wide = [](const std::uint8_t* p) {
        return _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
    };
    return _mm512_or_si512(wide(even), _mm512_slli_epi32(wide(odd), 16));
}

// MXFP4 under moderate scales: a number's exponent field grows or shrinks, unless it is zero.
struct MxPart {
    __m512i elements = _mm512_broadcast_i64x4(  // in bf16
        _mm256_setr_epi16(0, 0x3f00, 0x3f80, 0x3fc0, 0x4000, 0x4040, 0x4080, 0x40c0, 0, -0x4100,
                          -0x4080, -0x4040, -0x4000, -0x3fc0, -0x3f80, -0x3f40));

    static constexpr std::int64_t bytes() { return coded_bytes(Coding::mx); }
    void operator()(const std::uint8_t* from, int quarter, std::uint16_t* to) const {
        const std::uint8_t* scales = from + kCodeBytes;
        const __m512i shift = _mm512_slli_epi16(
            _mm512_sub_epi16(bytes_of_rows(scales, scales), _mm512_set1_epi16(127)), 7);
        four_lines(from + 64 * quarter, to, [&](__m512i codes) {
            const __m512i number = _mm512_permutexvar_epi16(codes, elements);
            return _mm512_maskz_add_epi16(_mm512_test_epi16_mask(number, number), number, shift);
        });
    }
};

// NVFP4 under scales that are neither negative nor NaN. Shifted by 7, the bits of an E4M3 number
// are those of 2^-8 of it in fp16; its product with 2^8 times an element has at most 6 bits and an
// exponent that is normal in fp16: exact. From there to bf16 the exponent's bias grows by 112.
struct NvPart {
    __m512i elements = _mm512_broadcast_i64x4(  // times 2^8, in fp16
        _mm256_setr_epi16(0, 0x5800, 0x5c00, 0x5e00, 0x6000, 0x6200, 0x6400, 0x6600, 0, -0x2800,
                          -0x2400, -0x2200, -0x2000, -0x1e00, -0x1c00, -0x1a00));

    static constexpr std::int64_t bytes() { return coded_bytes(Coding::nv); }
    void operator()(const std::uint8_t* from, int quarter, std::uint16_t* to) const {
        const std::uint8_t* scales = from + kCodeBytes;
        const __m512h scale =
            _mm512_castsi512_ph(_mm512_slli_epi16(bytes_of_rows(scales, scales + 16), 7));
        const __m512i sign = _mm512_set1_epi16(-0x8000), bias = _mm512_set1_epi16(112 << 7);
        four_lines(from + 64 * quarter, to, [&](__m512i codes) {
            const __m512i element = _mm512_permutexvar_epi16(codes, elements);
            const __m512i half =
                _mm512_castph_si512(_mm512_mul_ph(_mm512_castsi512_ph(element), scale));
            const __m512i magnitude = _mm512_srli_epi16(_mm512_andnot_si512(sign, half), 3);
            const __m512i number = _mm512_maskz_add_epi16(
                _mm512_test_epi16_mask(magnitude, magnitude), magnitude, bias);
            return _mm512_or_si512(number, _mm512_and_si512(half, sign));
        });
    }
};

// Any other coding, or any scale, by way of fp32.
template <Coding C>
struct AnyPart {
    bool moderate;

    static constexpr std::int64_t bytes() { return coded_bytes(C); }
    void operator()(const std::uint8_t* from, int quarter, std::uint16_t* to) const {
        CodedB<C, false> block{from, moderate};
        block.start();
        four_times([&]<int T>() {
            V even, odd;
            block.template pair<T>(quarter, even, odd);
            store(reinterpret_cast<std::uint32_t*>(to + 32 * T),
                  right<16>(bits(even)) | (bits(odd) & set(0xffff0000u)));
        });
    }
};

struct Expand {
    template <class Body>
    void pick(Coding coding, bool moderate, const Body& body) const {
        if (coding == Coding::mx && moderate)
            body(MxPart{});
        else if (coding == Coding::mx)
            body(AnyPart<Coding::mx>{moderate});
        else if (coding == Coding::nv && moderate)
            body(NvPart{});
        else if (coding == Coding::nv)
            body(AnyPart<Coding::nv>{moderate});
        else if (coding == Coding::int8)
            body(AnyPart<Coding::int8>{moderate});
        else
            body(AnyPart<Coding::q8>{moderate});
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

// Whole numbers are those of a few rows. Tiles cannot scale a block's sums.
void multiply_amx(const Multiply& m) {
    if (m.wide_b) return multiply(m);
    if (m.late || (m.whole_a && m.moderate && m.c_pair == 32)) return multiply_any(m);
    if (m.narrow_a && m.rows <= 2 && m.c_pair == 32 && has_plain_scales(m))
        return multiply_flushed(m);
    TileUnit unit;
    multiply_tiles(m, unit, split, Expand{});
}

void look_amx(const Look& l) {
    if (l.wide_keys) return look_by(l, kTileRows, multiply);
    TileUnit unit;
    look_by(l, 32, [&](const Multiply& m) { multiply_narrow(m, unit, Expand{}); });
}

}  // namespace

const Kernels kAmxKernels = {
    "amx",      2,        multiply_amx,  expand,   finish,    transpose,     hadamard,
    to_lanes,   to_whole, kFewIntRows,   to_bf16,  from_bf16, to_mx_codes,   from_mx_codes,
    kFastRules, rms_norm, silu_multiply, look_amx, sum_exp,   kl_divergence,
};

}  // namespace hb
