// SPDX-License-Identifier: Apache-2.0
#include <sys/mman.h>

#include "core/matrix.hpp"

namespace hb {
namespace {

constexpr std::size_t kHugePage = 2 << 20;

std::size_t alignment_of(std::size_t bytes) {
    return bytes >= kHugePage ? kHugePage : 64;
}

}  // namespace

void* allocate_aligned(std::size_t bytes) {
    void* p = ::operator new (bytes, std::align_val_t{alignment_of(bytes)});
    if (bytes >= kHugePage) ::madvise(p, bytes / kHugePage * kHugePage, MADV_HUGEPAGE);
    return p;
}

void free_aligned(void* p, std::size_t bytes) {
    ::operator delete (p, std::align_val_t{alignment_of(bytes)});
}

}  // namespace hb
