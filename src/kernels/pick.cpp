// SPDX-License-Identifier: Apache-2.0
// Which table this machine runs: the processor's feature bits, and for AMX the kernel's permission
// to use the tile registers (Linux: arch_prctl(ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA), once a
// process).
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "core/error.hpp"
#include "kernels/table.hpp"

namespace hb {

namespace {

bool always() {
    return true;
}

bool has_avx512() {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni");
}

bool amx_permitted() {
    unsigned a = 0, b = 0, c = 0, d = 0;
    if (!has_avx512() || !__get_cpuid_count(7, 0, &a, &b, &c, &d)) return false;
    const bool bf16 = d >> 22 & 1, fp16 = d >> 23 & 1, tile = d >> 24 & 1;
    return bf16 && fp16 && tile && syscall(SYS_arch_prctl, 0x1023, 18) == 0;
}

bool has_amx() {
    static const bool permitted = amx_permitted();
    return permitted;
}

struct Entry {
    const Kernels* kernels;
    bool (*runs)();
};

constexpr Entry kEntries[] = {
    // best first
    {&kAmxKernels, has_amx},
    {&kAvx512Kernels, has_avx512},
    {&kAvx2Kernels, always},
    {&kRefKernels, always},
};

}  // namespace

const Kernels& find_kernels(std::string_view name) {
    std::string known;
    for (const Entry& entry : kEntries) {
        if (entry.kernels->name == name) {
            if (entry.runs()) return *entry.kernels;
            fail(
                "kernels '{}' cannot run on this machine; unset HALFBYTE_KERNELS to use the best "
                "that can",
                name);
        }
        known += (known.empty() ? "" : ", ") + std::string(entry.kernels->name);
    }
    fail("unknown kernels '{}'; choose one of: {}", name, known);
}

const Kernels& pick_kernels() {
    const char* name = std::getenv("HALFBYTE_KERNELS");
    if (name && *name) return find_kernels(name);
    for (const Entry& entry : kEntries) {
        if (entry.runs()) return *entry.kernels;
    }
    return kRefKernels;
}

std::string_view name_of(const Kernels& kernels) {
    return kernels.name;
}

bool multiplies_whole_numbers(const Kernels& kernels, std::int64_t rows) {
    return rows <= kernels.whole_rows;
}

}  // namespace hb
