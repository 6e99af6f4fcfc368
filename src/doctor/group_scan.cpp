// SPDX-License-Identifier: Apache-2.0
// Eight bytes of E2M1 hold sixteen codes: those of magnitude 6 are the nibbles whose low three bits
// are set, x & x >> 1 & x >> 2 at every fourth bit, and the group is dead when no low three bits
// are. INT4 stores q + 8: after x ^ 8 a zero is 0, and the ends -8 and 7 are 8 and 7 then.
#include "doctor/group_scan.hpp"

#include <bit>
#include <cmath>
#include <cstring>

#include "core/float_bits.hpp"
#include "formats/all.hpp"
#include "io/load_bytes.hpp"

namespace hb::doctor {
namespace {

constexpr std::uint64_t kOnes = 0x1111111111111111u, kSevens = 0x7777777777777777u;
constexpr float kMaxBf16 = 0x1.fep127f;

}  // namespace

float largest_code(Family family) {
    switch (family) {
        case Family::mx:
        case Family::nv:
            return 6;
        case Family::int8:
            return 128;
        case Family::fp8:
            return 448;
        case Family::zeroed:
            return 15;
        default:
            return 8;
    }
}

namespace {

// Groups by the byte of their scale: [0] dead, [1] live.
struct Tally {
    std::uint32_t by[2][256] = {};
    std::uint64_t saturated = 0;

    template <int words>
    void e2m1(const std::byte* codes, std::byte scale) {
        std::uint64_t any = 0;
        for (int i = 0; i < words; ++i) {
            const auto x = load<std::uint64_t>(codes + 8 * i);
            any |= x & kSevens;
            saturated += static_cast<unsigned>(std::popcount(x & x >> 1 & x >> 2 & kOnes));
        }
        ++by[any != 0][static_cast<unsigned>(scale)];
    }
};

void add(Groups& g, unsigned faults, std::uint64_t n) {
    for (int fault = 0; fault < kScaleFaults; ++fault)
        if (faults >> fault & 1u) g.faults[fault] += n;
}

Groups judge(const Tally& tally, Family family) {
    Groups g;
    g.saturated = tally.saturated;
    for (int live = 0; live < 2; ++live)
        for (int byte = 0; byte < 256; ++byte) {
            const std::uint64_t n = tally.by[live][byte];
            if (n == 0) continue;
            g.groups += n;
            if (!live) g.dead += n;
            add(g, faults_of_byte(family, static_cast<std::uint8_t>(byte), live != 0), n);
            const float scale = scale_of_byte(family, static_cast<std::uint8_t>(byte));
            if (live && std::isfinite(scale)) g.largest = std::max(g.largest, std::abs(scale));
        }
    return g;
}

// The first group of each fault, among scales that lie `stride` bytes apart.
void locate(Groups& g, Family family, std::uint64_t n, auto scale_at) {
    for (int fault = 0; fault < kScaleFaults; ++fault) {
        if (g.faults[fault] == 0) continue;
        std::uint64_t i = 0;
        while (i + 1 < n && !(faults_of_byte(family, scale_at(i), true) >> fault & 1u)) ++i;
        g.first[fault] = i;
    }
}

Groups scan_bytes(const GroupScan& s, std::int64_t first, std::int64_t count) {
    const bool nv = s.family == Family::nv;
    const std::int64_t groups = s.cols / s.group;
    const auto begin = static_cast<std::uint64_t>(first * groups);
    const auto n = static_cast<std::uint64_t>(count * groups);
    const auto half = static_cast<std::uint64_t>(nv ? 8 : 16);
    Tally tally;
    const auto place = [&](std::uint64_t i) -> std::pair<const std::byte*, const std::byte*> {
        i += begin;
        if (!s.blocks) return {s.codes + i * half, s.scales + i};
        if (!nv) return {s.codes + i * 17 + 1, s.codes + i * 17};
        const std::byte* block = s.codes + i / 4 * 36;
        return {block + 4 + i % 4 * 8, block + i % 4};
    };
    for (std::uint64_t i = 0; i < n; ++i) {
        const auto [codes, scale] = place(i);
        nv ? tally.e2m1<1>(codes, *scale) : tally.e2m1<2>(codes, *scale);
    }
    Groups g = judge(tally, s.family);
    g.codes = n * static_cast<std::uint64_t>(s.group);
    locate(g, s.family, n,
           [&](std::uint64_t i) { return static_cast<std::uint8_t>(*place(i).second); });
    return g;
}

float scale_at(const GroupScan& s, std::uint64_t i) {
    if (s.scale_type == "BF16") return bf16_to_float(load<std::uint16_t>(s.scales + 2 * i));
    if (s.scale_type == "F16") return f16_to_float(load<std::uint16_t>(s.scales + 2 * i));
    return load<float>(s.scales + 4 * i);
}

// Codes of one group; returns whether it is live.
bool scan_int4(const std::byte* p, std::int64_t bytes, Groups& g) {
    std::uint64_t any = 0;
    for (std::int64_t i = 0; i < bytes; i += 8) {
        const auto x = load<std::uint64_t>(p + i) ^ (kOnes * 8);
        any |= x;
        const auto t = (x ^ x >> 3) & kOnes, high = x & x >> 1 & x >> 2,
                   low = (x | x >> 1 | x >> 2) ^ kOnes;
        g.saturated += static_cast<unsigned>(std::popcount(t & (high | low) & kOnes));
    }
    return any != 0;
}

bool scan_int8(const std::byte* p, std::int64_t n, Groups& g) {
    unsigned any = 0;
    std::uint32_t ends = 0;
    for (std::int64_t i = 0; i < n; ++i) {
        const auto x = static_cast<std::uint8_t>(p[i]);
        any |= x;
        ends += (x == 127) + (x == 128);
    }
    g.saturated += ends;
    return any != 0;
}

bool scan_fp8(const std::byte* p, std::int64_t n, Groups& g) {
    unsigned any = 0;
    std::uint32_t ends = 0, nans = 0;
    for (std::int64_t i = 0; i < n; ++i) {
        const auto x = static_cast<std::uint8_t>(p[i]) & 0x7fu;
        any |= x;
        ends += x == E4M3::kMaxCode;
        nans += x == E4M3::kNan;
    }
    g.saturated += ends;
    g.bad_codes += nans;
    return any != 0;
}

Groups scan_numbers(const GroupScan& s, std::int64_t first, std::int64_t count) {
    const std::int64_t groups = s.cols / s.group;
    const bool four = s.family == Family::integer || s.family == Family::zeroed;
    const std::int64_t bytes = four ? s.group / 2 : s.group;
    Groups g;
    for (std::int64_t i = first * groups; i < (first + count) * groups; ++i) {
        const std::byte* codes = s.codes + i * bytes;
        const bool live = s.family == Family::int8  ? scan_int8(codes, bytes, g)
                          : s.family == Family::fp8 ? scan_fp8(codes, bytes, g)
                                                    : scan_int4(codes, bytes, g);
        const bool dead = !live && s.family != Family::zeroed;
        const float scale = scale_at(s, static_cast<std::uint64_t>(i));
        const unsigned faults = faults_of_number(s.family, scale, !dead);
        for (int fault = 0; faults && fault < kScaleFaults; ++fault)
            if (faults >> fault & 1u && g.faults[fault]++ == 0)
                g.first[fault] = static_cast<std::uint64_t>(i - first * groups);
        g.dead += dead;
        if (!dead && std::isfinite(scale)) g.largest = std::max(g.largest, std::abs(scale));
    }
    g.groups = static_cast<std::uint64_t>(count * groups);
    g.codes = g.groups * static_cast<std::uint64_t>(s.group);
    return g;
}

}  // namespace

unsigned faults_of_byte(Family family, std::uint8_t byte, bool live) {
    unsigned faults = 0;
    if (family == Family::mx) {
        faults |= unsigned{byte == E8M0::kNan} << kNan;
        faults |= unsigned{byte == 0 && live} << kSubnormal;
        faults |= unsigned{(byte == 253 || byte == 254) && live} << kOverflow;
        return faults;
    }
    faults |= unsigned{(byte & 0x7f) == E4M3::kNan} << kNan;
    faults |= unsigned{byte >= 0x80} << kNegative;
    faults |= unsigned{(byte & 0x7f) == 0 && live} << kZero;
    faults |= unsigned{byte >= 1 && byte <= 7 && live} << kCoarse;
    return faults;
}

unsigned faults_of_number(Family family, float scale, bool live) {
    unsigned faults = 0;
    const float a = std::abs(scale);
    faults |= unsigned{std::isnan(scale)} << kNan;
    faults |= unsigned{std::isinf(scale)} << kInfinite;
    faults |= unsigned{scale < 0} << kNegative;
    faults |= unsigned{scale == 0 && live} << kZero;
    faults |= unsigned{a > 0 && a < 0x1p-126f && live} << kSubnormal;
    faults |= unsigned{std::isfinite(scale) && a > kMaxBf16 / largest_code(family) && live}
              << kOverflow;
    return faults;
}

float scale_of_byte(Family family, std::uint8_t byte) {
    return family == Family::mx ? E8M0::decode(byte) : E4M3::decode(byte);
}

bool GroupScan::possible() const {
    if (family == Family::nv) return group == 16 && (!blocks || cols % 64 == 0);
    if (family == Family::mx) return group == 32;
    if (scale_type != "BF16" && scale_type != "F16" && scale_type != "F32") return false;
    return family == Family::int8 || family == Family::fp8 || group % 16 == 0;
}

Groups GroupScan::rows_of(std::int64_t first, std::int64_t count) const {
    const bool bytes = family == Family::nv || family == Family::mx;
    Groups g = bytes ? scan_bytes(*this, first, count) : scan_numbers(*this, first, count);
    for (int fault = 0; fault < kScaleFaults; ++fault)
        g.first[fault] = g.faults[fault] == 0
                             ? ~0ull
                             : g.first[fault] + static_cast<std::uint64_t>(first * (cols / group));
    return g;
}

void merge(const Groups& part, Groups& sum) {
    for (int fault = 0; fault < kScaleFaults; ++fault) {
        if (part.faults[fault] > 0)
            sum.first[fault] = sum.faults[fault] == 0
                                   ? part.first[fault]
                                   : std::min(sum.first[fault], part.first[fault]);
        sum.faults[fault] += part.faults[fault];
    }
    sum.groups += part.groups;
    sum.dead += part.dead;
    sum.codes += part.codes;
    sum.saturated += part.saturated;
    sum.bad_codes += part.bad_codes;
    sum.largest = std::max(sum.largest, part.largest);
}

}  // namespace hb::doctor
