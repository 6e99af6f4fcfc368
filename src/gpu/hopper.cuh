// SPDX-License-Identifier: Apache-2.0
// Hopper's asynchronous machinery: barriers in shared memory that count arrivals and bytes, the
// tensor copy engine, warpgroup products. PTX ISA: mbarrier, cp.async.bulk, wgmma.
#pragma once

#include <cuda.h>  // CUtensorMap; nothing of the driver is linked

#include "gpu/primitives.cuh"

namespace hb::gpu {

__device__ inline std::uint32_t shared_address(const void* p) {
    return static_cast<std::uint32_t>(__cvta_generic_to_shared(p));
}

// Barriers, by their shared address.
__device__ inline void barrier_init(std::uint32_t barrier, int arrivals) {
    asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(barrier), "r"(arrivals));
}
__device__ inline void barrier_expect(std::uint32_t barrier, int bytes) {
    asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(barrier), "r"(bytes)
                 : "memory");
}
__device__ inline void barrier_wait(std::uint32_t barrier, std::uint32_t parity) {
    asm volatile(
        "{\n.reg .pred done;\n"
        "again:\nmbarrier.try_wait.parity.shared::cta.b64 done, [%0], %1;\n"
        "@done bra.uni end;\nbra.uni again;\nend:\n}" ::"r"(barrier),
        "r"(parity)
        : "memory");
}
// At the same barrier of block `rank` of the cluster, for what was only read: a release to the
// cluster would be a fence of the whole device each time.
__device__ inline void barrier_arrive_at(std::uint32_t barrier, std::uint32_t rank) {
    asm volatile(
        "{\n.reg .b32 there;\nmapa.shared::cluster.u32 there, %0, %1;\n"
        "mbarrier.arrive.relaxed.cluster.shared::cluster.b64 _, [there];\n}" ::"r"(barrier),
        "r"(rank)
        : "memory");
}
__device__ inline void barriers_visible() {
    asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
}

__device__ inline std::uint32_t cluster_rank() {
    std::uint32_t rank;
    asm volatile("mov.u32 %0, %%cluster_ctarank;" : "=r"(rank));
    return rank;
}
__device__ inline void cluster_sync() {
    asm volatile("barrier.cluster.arrive.release.aligned;\nbarrier.cluster.wait.acquire.aligned;" ::
                     : "memory");
}

// Threads of one warpgroup meet; id 0 is __syncthreads's.
__device__ inline void meet(int id, int threads) {
    asm volatile("bar.sync %0, %1;" ::"r"(id), "r"(threads) : "memory");
}

__device__ inline void device_fence() {
    asm volatile("fence.acq_rel.gpu;" ::: "memory");
}

// What other blocks wrote; stays where it is in the order of such loads.
__device__ inline float4 load_fresh(const float4* p) {
    float4 v;
    asm volatile("ld.global.cg.v4.f32 {%0, %1, %2, %3}, [%4];"
                 : "=f"(v.x), "=f"(v.y), "=f"(v.z), "=f"(v.w)
                 : "l"(p)
                 : "memory");
    return v;
}

// What ordinary stores wrote to shared memory, before the copy engine reads it.
__device__ inline void shared_to_engine() {
    asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}

// A box of a tensor, the same bytes to the same place in every block of `mask`.
__device__ inline void load_box(std::uint32_t to, const CUtensorMap& map, int x, int y,
                                std::uint32_t barrier, std::uint16_t mask) {
    asm volatile(
        "cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes"
        ".multicast::cluster [%0], [%1, {%3, %4}], [%2], %5;" ::"r"(to),
        "l"(&map), "r"(barrier), "r"(x), "r"(y), "h"(mask)
        : "memory");
}
__device__ inline void load_bytes(std::uint32_t to, const void* from, int bytes,
                                  std::uint32_t barrier) {
    asm volatile(
        "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, "
        "[%3];" ::"r"(to),
        "l"(from), "r"(bytes), "r"(barrier)
        : "memory");
}
__device__ inline void store_box(std::uint32_t from, const CUtensorMap& map, int x, int y) {
    asm volatile(
        "cp.async.bulk.tensor.2d.global.shared::cta.bulk_group [%0, {%2, %3}], [%1];" ::"l"(&map),
        "r"(from), "r"(x), "r"(y)
        : "memory");
    asm volatile("cp.async.bulk.commit_group;" ::: "memory");
}
// Until the engine has read all but this thread's latest n boxes; until all are written.
template <int kBoxes>
__device__ inline void stores_read() {
    asm volatile("cp.async.bulk.wait_group.read %0;" ::"n"(kBoxes) : "memory");
}
__device__ inline void stores_done() {
    asm volatile("cp.async.bulk.wait_group 0;" ::: "memory");
}
__device__ inline void fetch_map(const CUtensorMap& map) {
    asm volatile("prefetch.tensormap [%0];" ::"l"(&map) : "memory");
}

template <int kRegisters>
__device__ inline void give_registers() {
    asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(kRegisters));
}
template <int kRegisters>
__device__ inline void take_registers() {
    asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(kRegisters));
}

// Four 8x8 matrices of 16-bit numbers, transposed on the way; lane l's address is row l % 8 of
// matrix l / 8.
__device__ inline void store_transposed(std::uint32_t to, std::uint32_t a, std::uint32_t b,
                                        std::uint32_t c, std::uint32_t d) {
    asm volatile(
        "stmatrix.sync.aligned.m8n8.x4.trans.shared::cta.b16 [%0], {%1, %2, %3, %4};" ::"r"(to),
        "r"(a), "r"(b), "r"(c), "r"(d)
        : "memory");
}

__device__ inline void products_fence() {
    asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
}
__device__ inline void products_commit() {
    asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
}
template <int kGroups>
__device__ inline void products_wait() {
    asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(kGroups) : "memory");
}
// Keeps the compiler's uses of a register on their side of a fence or a wait.
template <int kCount>
__device__ inline void pin(float (&r)[kCount]) {
#pragma unroll
    for (int i = 0; i < kCount; ++i) asm volatile("" : "+f"(r[i])::"memory");
}

// The B operand: rows of 128 bytes under the copy engine's 128-byte swizzle, eight rows 1024 bytes
// from the next eight.
__device__ inline std::uint64_t operand(std::uint32_t address) {
    return (std::uint64_t{address & 0x3ffffu} >> 4) | std::uint64_t{1} << 16 |
           std::uint64_t{1024 >> 4} << 32 | std::uint64_t{1} << 62;
}

// d (64, kCols) = a (64, 32) b^T (kCols, 32) + (add_to ? d : 0), all E5M2. Lane 4 g + t of warp w
// has of a rows 16 w + g (a[0], a[2]) and + 8 (a[1], a[3]), columns 4 t (a[0], a[1]) and 16 + 4 t
// (a[2], a[3]), four each; of d the same rows (d[4 j], d[4 j + 1]; + 8: d[4 j + 2], d[4 j + 3]),
// columns 8 j + 2 t and the next.
#define HB_4(d, i) "+f"(d[i]), "+f"(d[i + 1]), "+f"(d[i + 2]), "+f"(d[i + 3])
#define HB_8(d, i) HB_4(d, i), HB_4(d, i + 4)
#define HB_16(d, i) HB_8(d, i), HB_8(d, i + 8)
#define HB_32(d, i) HB_16(d, i), HB_16(d, i + 16)
#define HB_64(d, i) HB_32(d, i), HB_32(d, i + 32)
#define HB_NAMES_32                                                                          \
    "%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,%16,%17,%18,%19,%20,%21,%22,%23," \
    "%24,%25,%26,%27,%28,%29,%30,%31"
#define HB_NAMES_64                                                                             \
    HB_NAMES_32                                                                                 \
    ",%32,%33,%34,%35,%36,%37,%38,%39,%40,%41,%42,%43,%44,%45,%46,%47,%48,%49,%50,%51,%52,%53," \
    "%54,%55,%56,%57,%58,%59,%60,%61,%62,%63"
#define HB_MULTIPLY(cols, names, a0, a1, a2, a3, b, add, outputs)                                \
    asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %" add                                        \
                 ", 0;\n"                                                                        \
                 "wgmma.mma_async.sync.aligned.m64n" cols "k32.f32.e5m2.e5m2 {" names "}, {%" a0 \
                 ", %" a1 ", %" a2 ", %" a3 "}, %" b ", p, 1, 1;\n}"                             \
                 : outputs                                                                       \
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(operand_b), "r"(add_to))

__device__ inline void multiply(float (&d)[4], const std::uint32_t* a, std::uint64_t operand_b,
                                int add_to) {
    HB_MULTIPLY("8", "%0,%1,%2,%3", "4", "5", "6", "7", "8", "9", HB_4(d, 0));
}
__device__ inline void multiply(float (&d)[32], const std::uint32_t* a, std::uint64_t operand_b,
                                int add_to) {
    HB_MULTIPLY("64", HB_NAMES_32, "32", "33", "34", "35", "36", "37", HB_32(d, 0));
}
__device__ inline void multiply(float (&d)[64], const std::uint32_t* a, std::uint64_t operand_b,
                                int add_to) {
    HB_MULTIPLY("128", HB_NAMES_64, "64", "65", "66", "67", "68", "69", HB_64(d, 0));
}

}  // namespace hb::gpu
