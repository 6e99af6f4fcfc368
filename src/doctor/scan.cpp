// SPDX-License-Identifier: Apache-2.0
// The jobs of the scan: parts of tensors of about a megabyte, of which threads take one after the
// other. Counts are whole numbers and their sums do not depend on the order. Of floats one number
// is enough, the largest magnitude as an integer: NaN and infinity are the largest of all.
#include "doctor/scan.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <mutex>

#include "core/float_bits.hpp"
#include "doctor/group_scan.hpp"
#include "doctor/patient.hpp"
#include "formats/all.hpp"
#include "io/load_bytes.hpp"

namespace hb::doctor {
namespace {

constexpr std::uint64_t kPart = 1 << 20;

// ---- floats

template <class T>
T largest_bits(const std::byte* p, std::uint64_t n) {  // T: signed
    constexpr T mask = static_cast<T>(static_cast<std::make_unsigned_t<T>>(~T{0}) >> 1);
    T most = 0;
    for (std::uint64_t i = 0; i < n; ++i)
        most = std::max<T>(most, static_cast<T>(load<T>(p + sizeof(T) * i) & mask));
    return most;
}

template <class T>
Numbers scan_floats(const std::byte* p, std::uint64_t n, T infinity) {
    Numbers r;
    const T most = largest_bits<T>(p, n);
    r.zero = most == 0;
    if (most < infinity) return r;
    constexpr T mask = static_cast<T>(static_cast<std::make_unsigned_t<T>>(~T{0}) >> 1);
    for (std::uint64_t i = 0; i < n; ++i)
        if (static_cast<T>(load<T>(p + sizeof(T) * i) & mask) >= infinity && r.bad++ == 0)
            r.first_bad = i;
    return r;
}

// Where the f16 factors of ggml's blocks lie.
struct Halves {
    std::string_view type;
    int at[2];  // -1: none
};
constexpr Halves kHalves[] = {{"Q4_0", {0, -1}}, {"Q4_1", {0, 2}},   {"Q5_0", {0, -1}},
                              {"Q5_1", {0, 2}},  {"Q8_0", {0, -1}},  {"Q4_K", {0, 2}},
                              {"Q5_K", {0, 2}},  {"Q6_K", {208, -1}}};

Numbers scan_blocks(const std::byte* p, std::uint64_t blocks, const StoredType& type) {
    Numbers r;
    for (const Halves& halves : kHalves) {
        if (halves.type != type.name) continue;
        for (std::uint64_t b = 0; b < blocks; ++b, p += type.bytes)
            for (const int at : halves.at) {
                if (at < 0) continue;
                const int bits = load<std::uint16_t>(p + at) & 0x7fff;
                r.zero = r.zero && bits == 0;
                if (bits >= 0x7c00 && r.bad++ == 0)
                    r.first_bad = b * static_cast<std::uint64_t>(type.block);
            }
    }
    return r;
}

Numbers scan_numbers(const Tensor& t, const std::byte* p, std::uint64_t bytes) {
    if (t.dtype == "F32") return scan_floats<std::int32_t>(p, bytes / 4, 0x7f800000);
    if (t.dtype == "BF16") return scan_floats<std::int16_t>(p, bytes / 2, 0x7f80);
    if (t.dtype == "F16") return scan_floats<std::int16_t>(p, bytes / 2, 0x7c00);
    return scan_blocks(p, bytes / static_cast<std::uint64_t>(t.type->bytes), *t.type);
}

class Jobs {
public:
    explicit Jobs(Patient& patient) : patient_(patient) {}
    void add_dense(Tensor& t);
    void add_module(Module& m);
    void run(Threads& threads) {
        threads.loop(static_cast<std::int64_t>(jobs_.size()),
                     [&](std::int64_t i, int) { jobs_[static_cast<std::size_t>(i)](); });
    }

private:
    const MappedFile& map(const Tensor& t) const { return patient_.files[t.file].map; }

    Patient& patient_;
    std::mutex mutex_;
    std::vector<std::function<void()>> jobs_;
};

void Jobs::add_dense(Tensor& t) {
    if (!t.whole || !t.type || t.type->fp4()) return;
    t.numbers.scanned = true;
    const auto block = static_cast<std::uint64_t>(t.type->bytes);
    const std::uint64_t part = std::max<std::uint64_t>(1, kPart / block) * block;
    for (std::uint64_t at = t.begin; at < t.end; at += part)
        jobs_.push_back([this, &t, at, size = std::min(part, t.end - at), block] {
            const Numbers r = scan_numbers(t, map(t).bytes().data() + at, size);
            map(t).drop(at, size);
            const std::lock_guard lock(mutex_);
            t.numbers.zero = t.numbers.zero && r.zero;
            if (r.bad == 0) return;
            const auto before = (at - t.begin) / block * static_cast<std::uint64_t>(t.type->block);
            t.numbers.bad += r.bad;
            t.numbers.first_bad = std::min(t.numbers.first_bad, before + r.first_bad);
        });
}

void Jobs::add_module(Module& m) {
    const Tensor *codes = patient_.tensor(m, kCodes), *scales = patient_.tensor(m, kScales);
    GroupScan scan;
    scan.rows = m.rows, scan.cols = m.cols, scan.group = m.group;
    if (!m.family || !codes || !codes->whole || m.rows == 0 || m.cols == 0 || m.group == 0) return;
    scan.family = *m.family;
    scan.blocks = patient_.style == Style::gguf;
    if (!scan.blocks) {
        if (!scales || !scales->whole) return;
        scan.scale_type = scales->dtype;
        scan.scales = patient_.bytes(*scales).data();
    }
    scan.codes = patient_.bytes(*codes).data();
    if (!scan.possible()) return;
    m.groups.scanned = true;
    const auto row_bytes = (codes->end - codes->begin) / static_cast<std::uint64_t>(m.rows);
    const auto part = static_cast<std::int64_t>(
        std::max<std::uint64_t>(1, kPart / std::max<std::uint64_t>(1, row_bytes)));
    for (std::int64_t first = 0; first < m.rows; first += part)
        jobs_.push_back([this, &m, codes, scales, scan, first, row_bytes,
                         count = std::min(part, m.rows - first)] {
            const Groups found = scan.rows_of(first, count);
            map(*codes).drop(codes->begin + static_cast<std::uint64_t>(first) * row_bytes,
                             static_cast<std::uint64_t>(count) * row_bytes);
            const std::lock_guard lock(mutex_);
            merge(found, m.groups);
            if (scales && first + count == m.rows)
                map(*scales).drop(scales->begin, scales->end - scales->begin);
        });
}

}  // namespace

void scan(Patient& patient, Threads& threads) {
    Jobs jobs(patient);
    for (auto& [name, m] : patient.modules) {
        if (m.quantized()) jobs.add_module(m);
        for (const Part part : {kWeight, kBias})
            if (m.has(part))
                jobs.add_dense(patient.tensors[static_cast<std::size_t>(m.parts[part])]);
    }
    jobs.run(threads);
}

}  // namespace hb::doctor
