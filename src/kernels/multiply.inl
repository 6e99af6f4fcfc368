// SPDX-License-Identifier: Apache-2.0
// The dot product of kernels.hpp on fused multiply-adds. A strip of the right side (kPanels panels,
// 256 k) is expanded to fp32 in pair order and stays in L1 while kRows rows of the left side,
// expanded once, go past it. A few rows (decoding) read the right side as it lies.
#pragma once

#include "kernels/multiply_kernel.inl"

namespace hb {
namespace {

constexpr int kDepth = 8;  // blocks of an expanded strip

void expand_a(const Multiply& m, std::int64_t block, std::int64_t blocks, float* out,
              std::int64_t stride) {
    for (int r = 0; r < m.rows; ++r) {
        for (std::int64_t i = 0; i < blocks * kBlock; i += 16) {
            const std::int64_t from = left_index(m, r, block + i / kBlock) + i % kBlock;
            store(out + r * stride + i,
                  m.narrow_a ? widen(m.narrow_a + from) : load(m.wide_a + from));
        }
    }
}

template <class B>
void expand_b(B from, std::int64_t blocks, float* out) {
    for (std::int64_t i = 0; i < blocks; ++i, from.p += kTile) {
        for (int j = 0; j < 16; ++j, out += 32) {
            V even, odd;
            from.pair(j, even, odd);
            store(out, even);
            store(out + 16, odd);
        }
    }
}

template <Coding C>
void expand_b(CodedB<C, false> from, std::int64_t blocks, float* out) {
    each_pair(from, blocks, [&](V even, V odd) {
        store(out, even);
        store(out + 16, odd);
        out += 32;
    });
}

template <class B>
B panel_of(const Multiply& m, int panel, std::int64_t block) {
    B b{};
    if constexpr (sizeof(*B::p) == 1) {
        b.moderate = m.moderate;
        b.p = m.coded_b + panel * m.b_stride + block * coded_bytes(m.coding);
    } else if constexpr (sizeof(*B::p) == 2) {
        b.p = m.narrow_b + panel * m.b_stride + block * kTile;
    } else {
        b.p = m.wide_b + panel * m.b_stride + block * kTile;
    }
    return b;
}

template <class B>
void multiply_strips(const Multiply& m) {
    alignas(64) float a[kTileRows * kDepth * kBlock];
    alignas(64) float b[kPanels * kDepth * kTile];
    constexpr std::int64_t stride = kDepth * kBlock;
    for (std::int64_t block = 0; block < m.blocks; block += kDepth) {
        const std::int64_t blocks = m.blocks - block < kDepth ? m.blocks - block : kDepth;
        expand_a(m, block, blocks, a, stride);
        ExpandedB strips[kPanels];
        for (int p = 0; p < kPanels; ++p) strips[p].p = b + p * kDepth * kTile;
        for (int panel = 0; panel < m.panels; panel += kPanels) {
            const int panels = m.panels - panel < kPanels ? m.panels - panel : kPanels;
            for (int p = 0; p < panels; ++p) {
                expand_b(panel_of<B>(m, panel + p, block), blocks, b + p * kDepth * kTile);
            }
            float* c = m.c + 16 * panel;
            const bool resume = m.resume || block > 0;
            if (panels == kPanels)
                rows_of_kernel<kPanels>(m.rows, a, stride, strips, blocks, c, m.c_stride, resume);
            else
                rows_of_kernel<1>(m.rows, a, stride, strips, blocks, c, m.c_stride, resume);
        }
    }
}

template <int P, class B>
void thin_panels(const Multiply& m, int& panel, const float* a, std::int64_t stride,
                 std::int64_t block, std::int64_t blocks) {
    for (; panel + P <= m.panels; panel += P) {
        B b[P];
        for (int p = 0; p < P; ++p) b[p] = panel_of<B>(m, panel + p, block);
        float* c = m.c + 16 * panel;
        const bool resume = m.resume || block > 0;
        if constexpr (P > kPanels) {
            if (m.rows == 1)
                kernel<1, P, B>(a, stride, b, blocks, c, m.c_stride, resume);
            else if constexpr (P <= kThinPanels)
                kernel<2, P, B>(a, stride, b, blocks, c, m.c_stride, resume);
        } else {
            rows_of_kernel<P>(m.rows, a, stride, b, blocks, c, m.c_stride, resume);
        }
    }
}

constexpr std::int64_t kFewDepth = 64;  // blocks

// More than kRows rows, a panel at a time.
template <class B>
void more_rows(const Multiply& m, const float* a, std::int64_t block, std::int64_t blocks) {
    constexpr std::int64_t stride = kFewDepth * kBlock;
    for (int panel = 0; panel < m.panels; ++panel) {
        const B b[1] = {panel_of<B>(m, panel, block)};
        const auto run = [&]<int R>() {
            kernel<R, 1, B>(a, stride, b, blocks, m.c + 16 * panel, m.c_stride,
                            m.resume || block > 0);
        };
        if (m.rows == kRows + 1)
            run.template operator()<kRows + 1>();
        else
            run.template operator()<kCodedRows>();
    }
}

// A part of k for up to kRows rows in `a`, up to kCodedRows by codes.
template <class B>
void few_rows(const Multiply& m, const float* a, std::int64_t block, std::int64_t blocks) {
    constexpr std::int64_t stride = kFewDepth * kBlock;
    int panel = 0;
    if constexpr (sizeof(*B::p) == 1 && kCodedRows > kRows) {
        if (m.rows > kRows) return more_rows<B>(m, a, block, blocks);
    }
    if constexpr (sizeof(*B::p) == 1 && kCodedPanels > kThinPanels) {
        if (m.rows == 1) thin_panels<kCodedPanels, B>(m, panel, a, stride, block, blocks);
    }
    if (m.rows <= 2 && m.rows < kRows)
        thin_panels<kThinPanels, B>(m, panel, a, stride, block, blocks);
    if constexpr (kPanels > 1) thin_panels<kPanels, B>(m, panel, a, stride, block, blocks);
    thin_panels<1, B>(m, panel, a, stride, block, blocks);
}

template <Coding C>
bool scale_late(const Multiply& m, const float* a, std::int64_t blocks) {
    bool late = m.narrow_a && m.moderate;
    for (int r = 0; r < m.rows; ++r) {
        for (std::int64_t i = 0; late && i < blocks; ++i)
            late = scale_late<C>(a + (r * kFewDepth + i) * kBlock);
    }
    return late;
}

template <Coding C>
void few_rows_of_codes(const Multiply& m, const float* a, std::int64_t block, std::int64_t blocks) {
    if constexpr (C == Coding::mx || C == Coding::nv) {
        if (scale_late<C>(m, a, blocks)) return few_rows<CodedB<C, true>>(m, a, block, blocks);
    }
    few_rows<CodedB<C, false>>(m, a, block, blocks);
}

void multiply_few_rows(const Multiply& m) {
    alignas(64) float a[kCodedRows * kFewDepth * kBlock];
    for (std::int64_t block = 0; block < m.blocks; block += kFewDepth) {
        const std::int64_t blocks = m.blocks - block < kFewDepth ? m.blocks - block : kFewDepth;
        expand_a(m, block, blocks, a, kFewDepth * kBlock);
        if (m.narrow_b)
            few_rows<NarrowB>(m, a, block, blocks);
        else if (m.wide_b)
            few_rows<WideB>(m, a, block, blocks);
        else if (m.coding == Coding::mx)
            few_rows_of_codes<Coding::mx>(m, a, block, blocks);
        else if (m.coding == Coding::nv)
            few_rows_of_codes<Coding::nv>(m, a, block, blocks);
        else if (m.coding == Coding::int8)
            few_rows_of_codes<Coding::int8>(m, a, block, blocks);
        else if (m.late)
            few_rows<CodedB<Coding::q8, true>>(m, a, block, blocks);
        else
            few_rows<CodedB<Coding::q8, false>>(m, a, block, blocks);
    }
}

// body(part) for R rows at a time, which lie in one tile of the left side.
template <int R, class Body>
void by_rows(const Multiply& m, Body body) {
    static_assert(16 % R == 0);
    for (int row = 0; row < m.rows; row += R) {
        Multiply part = m;
        part.rows = m.rows - row < R ? m.rows - row : R;
        if (m.narrow_a) part.narrow_a += left_index(m, row, 0);
        if (m.wide_a) part.wide_a += left_index(m, row, 0);
        if (m.whole_a) part.whole_a += row * m.whole_stride;
        part.c += row * m.c_stride;
        body(part);
    }
}

constexpr int kLateRows = kCodedRows < 8 ? 2 : 8;

void multiply(const Multiply& m) {
    if (m.late) return by_rows<kLateRows>(m, multiply_few_rows);
    if (m.rows <= (m.coded_b ? kCodedRows : kRows)) return multiply_few_rows(m);
    if (m.coding == Coding::mx) return multiply_strips<CodedB<Coding::mx, false>>(m);
    if (m.coding == Coding::nv) return multiply_strips<CodedB<Coding::nv, false>>(m);
    if (m.coding == Coding::q8) return multiply_strips<CodedB<Coding::q8, false>>(m);
    if (m.coding == Coding::int8) return multiply_strips<CodedB<Coding::int8, false>>(m);
    return m.narrow_b ? multiply_strips<NarrowB>(m) : multiply_strips<WideB>(m);
}

void transpose(const std::uint32_t* const (&x)[32], std::uint32_t* const (&tiles)[2],
               std::uint32_t* const (&rows)[2]) {
    for (int side = 0; side < 2; ++side) {
        N r[16];
        for (int j = 0; j < 16; ++j) {
            const N even = load(x[j]), odd = load(x[j + 16]);
            r[j] = side ? right<16>(even) | (odd & set(0xffff0000u))
                        : (even & set(0xffffu)) | left<16>(odd);
            store(tiles[side] + 16 * j, r[j]);
        }
        transpose(r);
        for (int j = 0; j < 16; ++j) store(rows[side] + 16 * j, r[j]);
    }
}

}  // namespace
}  // namespace hb
