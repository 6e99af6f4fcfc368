// SPDX-License-Identifier: Apache-2.0
// Weights in 4 bits into panels (kernels.hpp). -0 becomes +0 and the scale of a group of zeros 1,
// neither of which changes a sum: it is never -0, and finite by 0 adds nothing. So a scale that
// nothing uses does not keep a weight from having only moderate ones.
#include <algorithm>

#include "core/error.hpp"
#include "kernels/table.hpp"

namespace hb {

namespace {

constexpr std::uint8_t kOneMx = 127, kOneNv = 0x38;
constexpr std::uint8_t kNanMx = 255, kNanNv = 0x7f;

struct Packer {
    const QTensor& w;
    Coding coding;

    int group() const { return coding == Coding::mx ? 32 : 16; }

    // Columns [k, k + group) of row n as codes, and their scale.
    std::uint8_t take_group(std::int64_t n, std::int64_t k, std::uint8_t* codes) const {
        bool zero = true;
        for (int i = 0; i < group(); ++i) {
            const std::uint8_t code = w.code(n, k + i);
            codes[i] = code == 8 ? std::uint8_t{0} : code;
            zero = zero && codes[i] == 0;
        }
        const auto scale = static_cast<std::uint8_t>(w.scales.bits(n, k / group()));
        const bool nan = coding == Coding::mx ? scale == kNanMx : (scale & kNanNv) == kNanNv;
        return zero && !nan ? one() : scale;
    }

    std::uint8_t one() const { return coding == Coding::mx ? kOneMx : kOneNv; }

    bool moderate(std::uint8_t scale) const {
        return coding == Coding::mx ? scale >= kOneMx - 40 && scale <= kOneMx + 40 : scale < kNanNv;
    }

    bool fill_block(std::int64_t n, std::int64_t k, std::uint8_t* out) const {
        std::fill(out, out + kCodeBytes, std::uint8_t{});
        std::fill(out + kCodeBytes, out + coded_bytes(coding), one());
        bool all_moderate = true;
        for (int l = 0; l < std::min<std::int64_t>(16, w.rows - n); ++l) {
            std::uint8_t codes[kBlock] = {};
            for (int i = 0; i < std::min<std::int64_t>(kBlock, w.cols - k); i += group()) {
                const std::uint8_t scale = take_group(n + l, k + i, codes + i);
                out[scale_byte(coding, l, i / 16)] = scale;
                all_moderate = all_moderate && moderate(scale);
            }
            for (int i = 0; i < kBlock; ++i) {
                const int place = i % 16 * 2 + i / 16;
                std::uint8_t& byte = out[code_byte(l, place)];
                byte = static_cast<std::uint8_t>(byte | codes[i] << code_shift(place));
            }
        }
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
