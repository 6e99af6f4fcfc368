// SPDX-License-Identifier: Apache-2.0
#include "calibration/activation_store.hpp"

#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "core/error.hpp"
#include "core/float_bits.hpp"

namespace hb {
namespace {

int unnamed_file(const std::filesystem::path& folder) {
    std::string name = (folder / "activations.XXXXXX").string();
    const int descriptor = ::mkostemp(name.data(), 0);
    if (descriptor < 0)
        fail("cannot create a spill file in {}: {}", folder.string(), std::strerror(errno));
    ::unlink(name.c_str());
    return descriptor;
}

template <class Move>
void move_all(Move&& move, std::size_t size, std::size_t offset, const char* verb) {
    std::size_t done = 0;
    while (done < size) {
        const auto n = move(done, size - done, static_cast<off_t>(offset + done));
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0)
            fail("cannot {} the activation spill file beside the output: {}. Free disk space", verb,
                 n < 0 ? std::strerror(errno) : "it is too short");
        done += static_cast<std::size_t>(n);
    }
}

void widen(const std::uint16_t* from, std::int64_t n, float* to) {
    for (std::int64_t i = 0; i < n; ++i) to[i] = bf16_to_float(from[i]);
}

void round_row(float* x, std::int64_t n, std::uint16_t* bits) {
    for (std::int64_t i = 0; i < n; ++i) {
        bits[i] = float_to_bf16(x[i]);
        x[i] = bf16_to_float(bits[i]);
    }
}

}  // namespace

ActivationStore::ActivationStore(std::int64_t sequences, std::int64_t rows, std::int64_t cols,
                                 std::int64_t in_memory, const std::filesystem::path& spill,
                                 int threads)
    : rows_(rows), cols_(cols), pages_(static_cast<std::size_t>(threads)) {
    const std::int64_t one = rows * cols;
    kept_ = one > 0 ? std::min(sequences, in_memory / (2 * one)) : sequences;
    memory_.resize(static_cast<std::size_t>(one * kept_));
    if (kept_ == sequences) return;
    descriptor_ = unnamed_file(spill);
}

ActivationStore::~ActivationStore() {
    if (descriptor_ >= 0) ::close(descriptor_);
}

std::size_t ActivationStore::place(std::int64_t sequence, std::int64_t row) const {
    const std::int64_t before = sequence < kept_ ? sequence : sequence - kept_;
    return static_cast<std::size_t>((before * rows_ + row) * cols_);
}

std::uint16_t* ActivationStore::page(int thread, std::int64_t rows) {
    auto& page = pages_[static_cast<std::size_t>(thread)];
    page.resize(static_cast<std::size_t>(rows * cols_));
    return page.data();
}

void ActivationStore::load(int thread, std::int64_t sequence, std::int64_t first, View<float> h) {
    const std::uint16_t* from = memory_.data() + place(sequence, first);
    if (sequence >= kept_) {
        std::uint16_t* page = this->page(thread, h.rows);
        auto* bytes = reinterpret_cast<char*>(page);
        move_all([&](std::size_t done, std::size_t n,
                     off_t at) { return ::pread(descriptor_, bytes + done, n, at); },
                 static_cast<std::size_t>(h.rows * cols_) * 2, place(sequence, first) * 2, "read");
        from = page;
    }
    for (std::int64_t r = 0; r < h.rows; ++r) widen(from + r * cols_, cols_, h.row(r));
}

void ActivationStore::save(int thread, std::int64_t sequence, std::int64_t first, View<float> h) {
    const bool kept = sequence < kept_;
    std::uint16_t* to = kept ? memory_.data() + place(sequence, first) : page(thread, h.rows);
    for (std::int64_t r = 0; r < h.rows; ++r) round_row(h.row(r), cols_, to + r * cols_);
    if (kept) return;
    const auto* bytes = reinterpret_cast<const char*>(to);
    move_all([&](std::size_t done, std::size_t n,
                 off_t at) { return ::pwrite(descriptor_, bytes + done, n, at); },
             static_cast<std::size_t>(h.rows * cols_) * 2, place(sequence, first) * 2, "write");
}

}  // namespace hb
