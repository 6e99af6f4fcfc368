// SPDX-License-Identifier: Apache-2.0
#include "core/memory.hpp"

#include <sys/mman.h>
#include <sys/resource.h>

#include "core/matrix.hpp"

namespace hb {
namespace {

constexpr std::size_t kHugePage = 2 << 20;

std::size_t alignment_of(std::size_t bytes) {
    return bytes >= kHugePage ? kHugePage : 64;
}

}  // namespace

std::uint64_t peak_rss_bytes() {
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    return static_cast<std::uint64_t>(usage.ru_maxrss) * 1024;
}

void* allocate_aligned(std::size_t bytes) {
    void* p = ::operator new (bytes, std::align_val_t{alignment_of(bytes)});
    if (bytes >= kHugePage) ::madvise(p, bytes / kHugePage * kHugePage, MADV_HUGEPAGE);
    return p;
}

void free_aligned(void* p, std::size_t bytes) {
    ::operator delete (p, std::align_val_t{alignment_of(bytes)});
}

}  // namespace hb
