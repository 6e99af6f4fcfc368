// SPDX-License-Identifier: Apache-2.0
// Weights in codes into panels (kernels.hpp). INT8 is Q8_0 under scales of 1, whose numbers are the
// elements. In 4 bits -0 becomes +0 and the scale of a group of zeros 1,
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

// Columns [k, k + 32) of rows [n, n + 16) of an INT8 weight, zeros where it ends.
void fill_int8_block(const QTensor& w, std::int64_t n, std::int64_t k, std::uint8_t* out) {
    constexpr std::uint16_t kOne = 0x3c00;
    std::fill(out, out + kTile, std::uint8_t{128});
    for (int l = 0; l < 16; ++l) std::memcpy(out + q8_scale_byte(l), &kOne, 2);
    for (int l = 0; l < std::min<std::int64_t>(16, w.rows - n); ++l) {
        const std::uint8_t* codes = w.codes.row(n + l) + k;
        for (int i = 0; i < kBlock; ++i) {
            const int column = i % 2 * 16 + i / 2;
            if (k + column < w.cols)
                out[q8_code_byte(l, i)] = static_cast<std::uint8_t>(codes[column] ^ 128);
        }
    }
}

std::int64_t panel_bytes(const PackedMatrix& w) {
    return (w.k + kBlock - 1) / kBlock * coded_bytes(w.coding);
}

// Rows [n, n + 16) of w.
bool fill_panel(const QTensor& w, Coding coding, std::int64_t n, std::uint8_t* out) {
    const Packer packer{w, coding};
    bool all_moderate = true;
    for (std::int64_t k = 0; k < w.cols; k += kBlock, out += coded_bytes(coding)) {
        if (coding == Coding::q8)
            fill_int8_block(w, n, k, out);
        else
            all_moderate = packer.fill_block(n, k, out) && all_moderate;
    }
    return all_moderate;
}

Coding coding_of(const Scheme& scheme) {
    if (scheme.family == Family::mx && scheme.group == 32) return Coding::mx;
    if (scheme.family == Family::nv && scheme.group == 16) return Coding::nv;
    if (scheme.family == Family::int8) return Coding::q8;
    fail("weights in {} are not packed by their codes", scheme.name);
}

}  // namespace

PackedMatrix make_room(const Scheme& scheme, std::int64_t n, std::int64_t k) {
    const Coding coding = coding_of(scheme);
    PackedMatrix out{n, k, Precision::bf16, {}, {}, coding, true, {}};
    out.coded.resize(static_cast<std::size_t>((n + 15) / 16 * panel_bytes(out)));
    return out;
}

bool pack_rows(const QTensor& part, std::int64_t first, PackedMatrix& out) {
    bool all_moderate = true;
    for (std::int64_t n = 0; n < part.rows; n += 16) {
        std::uint8_t* to = out.coded.data() + (first + n) / 16 * panel_bytes(out);
        all_moderate = fill_panel(part, out.coding, n, to) && all_moderate;
    }
    return all_moderate;
}

PackedMatrix pack_codes(const QTensor& w, Threads& threads) {
    PackedMatrix out = make_room(*w.scheme, w.rows, w.cols);
    const std::int64_t panels = (w.rows + 15) / 16;
    std::vector<std::uint8_t> moderate(static_cast<std::size_t>(panels), 1);
    threads.loop(panels, [&](std::int64_t panel, int) {
        std::uint8_t* to = out.coded.data() + panel * panel_bytes(out);
        moderate[static_cast<std::size_t>(panel)] = fill_panel(w, out.coding, 16 * panel, to);
    });
    out.moderate = std::all_of(moderate.begin(), moderate.end(), [](auto x) { return x != 0; });
    return out;
}

}  // namespace hb
