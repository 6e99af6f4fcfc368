// SPDX-License-Identifier: Apache-2.0
#include "calibration/activation_store.hpp"

#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "core/error.hpp"

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

}  // namespace

ActivationStore::ActivationStore(const Kernels& kernels, std::int64_t sequences, std::int64_t rows,
                                 std::int64_t cols, std::int64_t in_memory,
                                 const std::filesystem::path& spill, int threads)
    : kernels_(kernels),
      rows_((rows + 15) / 16 * 16),
      cols_(cols),
      pages_(static_cast<std::size_t>(threads)) {
    const std::int64_t one = rows_ * cols_;
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

std::uint16_t* ActivationStore::page(int thread, std::size_t size) {
    auto& page = pages_[static_cast<std::size_t>(thread)];
    page.resize(size);
    return page.data();
}

void ActivationStore::read(std::uint16_t* to, std::size_t size, std::size_t place) const {
    auto* bytes = reinterpret_cast<char*>(to);
    move_all([&](std::size_t done, std::size_t n,
                 off_t at) { return ::pread(descriptor_, bytes + done, n, at); },
             2 * size, 2 * place, "read");
}

void ActivationStore::write(const std::uint16_t* from, std::size_t size, std::size_t place) const {
    const auto* bytes = reinterpret_cast<const char*>(from);
    move_all([&](std::size_t done, std::size_t n,
                 off_t at) { return ::pwrite(descriptor_, bytes + done, n, at); },
             2 * size, 2 * place, "write");
}

void ActivationStore::load(int thread, std::int64_t sequence, std::int64_t first, View<float> h) {
    const std::size_t place = this->place(sequence, first);
    const std::uint16_t* from = memory_.data() + place;
    if (sequence >= kept_) {
        const auto size = static_cast<std::size_t>(h.rows * cols_);
        std::uint16_t* page = this->page(thread, size);
        read(page, size, place);
        from = page;
    }
    from_bf16(kernels_, {from, h.rows, h.cols, cols_}, h);
}

void ActivationStore::save(int thread, std::int64_t sequence, std::int64_t first, View<float> h) {
    const std::size_t place = this->place(sequence, first);
    const auto size = static_cast<std::size_t>(h.rows * cols_);
    std::uint16_t* to = sequence < kept_ ? memory_.data() + place : page(thread, size);
    to_bf16(kernels_, h, {to, h.rows, h.cols, cols_});
    if (sequence >= kept_) write(to, size, place);
}

void ActivationStore::load(std::int64_t sequence, std::int64_t first,
                           std::span<std::uint16_t> packed) const {
    const std::size_t place = this->place(sequence, first);
    if (sequence < kept_)
        std::copy_n(memory_.data() + place, packed.size(), packed.data());
    else
        read(packed.data(), packed.size(), place);
}

void ActivationStore::save(std::int64_t sequence, std::int64_t first,
                           std::span<const std::uint16_t> packed) {
    const std::size_t place = this->place(sequence, first);
    if (sequence < kept_)
        std::copy_n(packed.data(), packed.size(), memory_.data() + place);
    else
        write(packed.data(), packed.size(), place);
}

}  // namespace hb
