// SPDX-License-Identifier: Apache-2.0
// Weights in 4 bits into panels (kernels.hpp). -0 becomes +0 and the scale of a group of zeros 1,
// neither of which changes a sum: it is never -0, and finite by 0 adds nothing. So a scale that
// nothing uses does not keep a weight from having only moderate ones.
#include <algorithm>
#include <cstring>

#include "core/error.hpp"
#include "kernels/table.hpp"

namespace hb {

namespace {

constexpr std::uint8_t kOneMx = 127, kOneNv = 0x38;
constexpr std::uint8_t kNanMx = 255, kNanNv = 0x7f;

// Sixteen codes, -0 replaced by +0.
std::uint64_t clean(std::uint64_t codes) {
    constexpr std::uint64_t ones = 0x1111111111111111u;
    return codes & ((codes | codes >> 1 | codes >> 2) & ones) * 15;
}

struct Packer {
    const QTensor& w;
    Coding coding;

    int group() const { return coding == Coding::mx ? 32 : 16; }
    std::uint8_t one() const { return coding == Coding::mx ? kOneMx : kOneNv; }

    bool moderate(std::uint8_t scale) const {
        return coding == Coding::mx ? scale >= kOneMx - 40 && scale <= kOneMx + 40 : scale < kNanNv;
    }

    std::uint8_t scale(std::int64_t n, std::int64_t k, bool zero) const {
        const auto scale = static_cast<std::uint8_t>(w.scales.bits(n, k / group()));
        const bool nan = coding == Coding::mx ? scale == kNanMx : (scale & kNanNv) == kNanNv;
        return zero && !nan ? one() : scale;
    }

    // Columns [k, k + 32) of row n, which is row l of its panel; the second half may be beyond the
    // end. A word of part q is 16 bits of the first half and 16 of the second.
    bool fill_row(std::int64_t n, std::int64_t k, int l, std::uint8_t* out) const {
        std::uint64_t codes[2] = {};
        const std::size_t halves = k + 16 < w.cols ? 2 : 1;
        std::memcpy(codes, w.codes.row(n) + k / 2, 8 * halves);
        for (auto& half : codes) half = clean(half);
        for (int q = 0; q < 4; ++q) {
            const std::uint64_t word =
                (codes[0] >> 16 * q & 0xffffu) | (codes[1] >> 16 * q & 0xffffu) << 16;
            std::memcpy(out + 64 * q + 4 * l, &word, 4);
        }
        bool all_moderate = true;
        for (int g = 0; g < (coding == Coding::nv ? static_cast<int>(halves) : 1); ++g) {
            const bool zero = codes[g] == 0 && (coding == Coding::nv || codes[1] == 0);
            const std::uint8_t chosen = scale(n, k + 16 * g, zero);
            out[scale_byte(coding, l, g)] = chosen;
            all_moderate = all_moderate && moderate(chosen);
        }
        return all_moderate;
    }

    bool fill_block(std::int64_t n, std::int64_t k, std::uint8_t* out) const {
        std::fill(out, out + kCodeBytes, std::uint8_t{});
        std::fill(out + kCodeBytes, out + coded_bytes(coding), one());
        bool all_moderate = true;
        for (int l = 0; l < std::min<std::int64_t>(16, w.rows - n); ++l)
            all_moderate = fill_row(n + l, k, l, out) && all_moderate;
        return all_moderate;
    }
};

}  // namespace

PackedMatrix pack_codes(const QTensor& w, Threads& threads) {
    const Family family = w.scheme->family;
    const Packer packer{w, family == Family::mx ? Coding::mx : Coding::nv};
    if (family == Family::integer || w.scheme->group != packer.group())
        fail("weights in {} are not packed by their codes", w.scheme->name);
    const std::int64_t blocks = (w.cols + kBlock - 1) / kBlock, panels = (w.rows + 15) / 16;
    const std::int64_t bytes = coded_bytes(packer.coding);
    PackedMatrix out{w.rows, w.cols, Precision::bf16, {}, {}, packer.coding, true, {}};
    out.coded.resize(static_cast<std::size_t>(panels * blocks * bytes));
    std::vector<std::uint8_t> moderate(static_cast<std::size_t>(panels), 1);
    threads.loop(panels, [&](std::int64_t panel, int) {
        std::uint8_t& all = moderate[static_cast<std::size_t>(panel)];
        for (std::int64_t block = 0; block < blocks; ++block) {
            std::uint8_t* to = out.coded.data() + (panel * blocks + block) * bytes;
            if (!packer.fill_block(panel * 16, block * kBlock, to)) all = 0;
        }
    });
    out.moderate = std::all_of(moderate.begin(), moderate.end(), [](auto x) { return x != 0; });
    return out;
}

}  // namespace hb
