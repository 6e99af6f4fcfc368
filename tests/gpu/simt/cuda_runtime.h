// SPDX-License-Identifier: Apache-2.0
// Enough of CUDA to compile the kernels with a C++ compiler and run them on the CPU: a block's
// threads are fibers that are switched where they meet, at barriers and in warp functions; blocks
// follow one another, those of a cluster run together (and may use dynamic shared memory only). It
// finds wrong indices, missing work and races that a barrier's absence makes visible in this one
// order; it says nothing about time, or memory order.
#pragma once

#include <ucontext.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#define __host__
#define __device__
#define __global__
#define __shared__ static
#define __grid_constant__
#define __launch_bounds__(...)
#define __noinline__

struct uint2 {
    unsigned x, y;
};
struct alignas(16) uint4 {
    unsigned x, y, z, w;
};
struct float2 {
    float x, y;
};
struct alignas(16) float4 {
    float x, y, z, w;
};
struct dim3 {
    unsigned x = 1, y = 1, z = 1;
    dim3(unsigned a = 1, unsigned b = 1, unsigned c = 1) : x(a), y(b), z(c) {}
};

namespace simt {

struct Fiber {
    ucontext_t context;
    std::unique_ptr<char[]> stack;
    dim3 thread, block;
    bool done = false;
};

// A place where `expected` fibers wait for one another.
struct Meeting {
    unsigned arrived = 0, generation = 0;
};

constexpr std::size_t kMostThreads = 4096;  // of a cluster

struct Machine {
    std::vector<Fiber> fibers;
    std::vector<unsigned char> dynamic;
    std::uint64_t slots[kMostThreads][8];
    Meeting cluster_meeting, block_meetings[8], warp_meetings[kMostThreads / 32];
    std::function<void()> body;
    ucontext_t main;
    dim3 grid, threads;
    std::size_t current = 0, dynamic_bytes = 0;

    void pause() { swapcontext(&fibers[current].context, &main); }
    void meet(Meeting& meeting, unsigned expected) {
        const unsigned generation = meeting.generation;
        if (++meeting.arrived == expected) {
            meeting.arrived = 0;
            ++meeting.generation;
        } else {
            while (meeting.generation == generation) pause();
        }
    }
    void meet_warp() { meet(warp_meetings[current / 32], 32); }
    void meet_block() { meet(block_meetings[current / threads.x], threads.x); }
    void meet_cluster() { meet(cluster_meeting, static_cast<unsigned>(fibers.size())); }
};
inline Machine machine;

inline void enter() {
    machine.body();
    machine.fibers[machine.current].done = true;
    machine.pause();
}

// Every fiber runs until it has to wait, in turn.
inline void run_cluster(dim3 first) {
    Machine& m = machine;
    for (std::size_t i = 0; i < m.fibers.size(); ++i) {
        Fiber& f = m.fibers[i];
        f.done = false;
        f.thread = dim3(static_cast<unsigned>(i) % m.threads.x, 0, 0);
        f.block = dim3(first.x + static_cast<unsigned>(i) / m.threads.x, first.y, 0);
        getcontext(&f.context);
        f.context.uc_stack.ss_sp = f.stack.get();
        f.context.uc_stack.ss_size = 1 << 16;
        f.context.uc_link = nullptr;
        makecontext(&f.context, enter, 0);
    }
    for (bool alive = true; alive;) {
        alive = false;
        for (m.current = 0; m.current < m.fibers.size(); ++m.current) {
            if (m.fibers[m.current].done) continue;
            swapcontext(&m.main, &m.fibers[m.current].context);
            alive = alive || !m.fibers[m.current].done;
        }
    }
}

template <class... Parameters, class... Arguments>
void launch(void (*kernel)(Parameters...), dim3 grid, unsigned cluster, dim3 threads,
            std::size_t bytes, const Arguments&... arguments) {
    Machine& m = machine;
    m.grid = grid;
    m.threads = threads;
    m.dynamic_bytes = (bytes + 15) / 16 * 16;
    m.dynamic.assign(m.dynamic_bytes * cluster + 64, 0xff);
    while (m.fibers.size() < threads.x * cluster) {
        m.fibers.emplace_back();
        m.fibers.back().stack.reset(new char[1 << 16]);
    }
    m.fibers.resize(threads.x * cluster);
    m.body = [&] { kernel(arguments...); };
    for (unsigned y = 0; y < grid.y; ++y)
        for (unsigned x = 0; x < grid.x; x += cluster) run_cluster(dim3(x, y, 0));
}

// What the lanes of this warp put in, after all have.
template <class T>
struct Exchange {
    std::size_t first;
    T of(int lane) const {
        T value;
        std::memcpy(&value, machine.slots[first + static_cast<std::size_t>(lane)], sizeof(T));
        return value;
    }
    ~Exchange() { machine.meet_warp(); }  // nobody puts the next in before all have read
};
template <class T>
Exchange<T> exchange(const T& mine) {
    static_assert(sizeof(T) <= 64);
    std::memcpy(machine.slots[machine.current], &mine, sizeof(T));
    machine.meet_warp();
    return {machine.current / 32 * 32};
}

inline unsigned char* dynamic_shared() {
    return reinterpret_cast<unsigned char*>(
               (reinterpret_cast<std::uintptr_t>(machine.dynamic.data()) + 15) / 16 * 16) +
           machine.current / machine.threads.x * machine.dynamic_bytes;
}

}  // namespace simt

#define threadIdx (simt::machine.fibers[simt::machine.current].thread)
#define blockIdx (simt::machine.fibers[simt::machine.current].block)
#define gridDim (simt::machine.grid)
#define blockDim (simt::machine.threads)

inline void __syncthreads() {
    simt::machine.meet_block();
}
inline void __syncwarp() {
    simt::machine.meet_warp();
}
inline void __threadfence() {}
inline float __shfl_xor_sync(unsigned, float value, int mask) {
    const auto all = simt::exchange(value);
    return all.of(static_cast<int>(simt::machine.current % 32) ^ mask);
}
inline bool __any_sync(unsigned, bool mine) {
    const auto all = simt::exchange(mine);
    bool any = false;
    for (int lane = 0; lane < 32; ++lane) any = any || all.of(lane);
    return any;
}
inline unsigned __reduce_max_sync(unsigned, unsigned mine) {
    const auto all = simt::exchange(mine);
    for (int lane = 0; lane < 32; ++lane) mine = std::max(mine, all.of(lane));
    return mine;
}
inline unsigned __reduce_min_sync(unsigned, unsigned mine) {
    const auto all = simt::exchange(mine);
    for (int lane = 0; lane < 32; ++lane) mine = std::min(mine, all.of(lane));
    return mine;
}
inline unsigned __umulhi(unsigned a, unsigned b) {
    return static_cast<unsigned>(std::uint64_t{a} * b >> 32);
}
inline float __expf(float x) {
    return std::exp(x);
}
template <class T>
T __ldcs(const T* p) {
    return *p;
}
template <class T>
void __stcs(T* p, const T& value) {
    *p = value;
}
inline unsigned atomicAdd(unsigned* p, unsigned n) {
    return std::exchange(*p, *p + n);
}
template <class T>
T __ldcg(const T* p) {
    return *p;
}
inline unsigned __byte_perm(unsigned low, unsigned high, unsigned selector) {
    const std::uint64_t bytes = std::uint64_t{high} << 32 | low;
    unsigned out = 0;
    for (unsigned i = 0; i < 4; ++i)
        out |= static_cast<unsigned>(bytes >> 8 * (selector >> 4 * i & 7u) & 255u) << 8 * i;
    return out;
}
inline float __uint_as_float(unsigned u) {
    return std::bit_cast<float>(u);
}
using std::max;
using std::min;

enum cudaError_t { cudaSuccess };
enum cudaFuncAttribute { cudaFuncAttributeMaxDynamicSharedMemorySize };
template <class Kernel>
cudaError_t cudaFuncSetAttribute(Kernel, cudaFuncAttribute, int) {
    return cudaSuccess;
}
enum cudaDeviceAttr { cudaDevAttrMultiProcessorCount };
inline cudaError_t cudaGetDevice(int* device) {
    *device = 0;
    return cudaSuccess;
}
inline cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr, int) {
    *value = 2;
    return cudaSuccess;
}
template <class Kernel>
cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, Kernel, int, std::size_t) {
    *blocks = 2;
    return cudaSuccess;
}

// Memory of the device is memory.
enum cudaMemcpyKind { cudaMemcpyHostToDevice, cudaMemcpyDeviceToHost };
inline cudaError_t cudaMalloc(void** p, std::size_t bytes) {
    *p = std::aligned_alloc(256, (bytes + 255) / 256 * 256);
    return cudaSuccess;
}
inline cudaError_t cudaFree(void* p) {
    std::free(p);
    return cudaSuccess;
}
inline cudaError_t cudaMemset(void* p, int byte, std::size_t bytes) {
    std::memset(p, byte, bytes);
    return cudaSuccess;
}
inline cudaError_t cudaMemsetAsync(void* p, int byte, std::size_t bytes, void*) {
    return cudaMemset(p, byte, bytes);
}
inline cudaError_t cudaMemcpy(void* to, const void* from, std::size_t bytes, cudaMemcpyKind) {
    if (bytes) std::memcpy(to, from, bytes);
    return cudaSuccess;
}
inline cudaError_t cudaDeviceSynchronize() {
    return cudaSuccess;
}
