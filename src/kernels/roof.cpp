// SPDX-License-Identifier: Apache-2.0
// The instruction loops are compiled for their own instruction set one by one; nothing but them is.
// Twelve sums hide a latency of six cycles on two ports; four tile sums hide that of the tile unit,
// which takes 16 cycles a product and so is never ahead of its loads.
#include "kernels/roof.hpp"

#include <immintrin.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <string_view>
#include <vector>

namespace hb {
namespace {

constexpr int kSums = 12;
// A measurement is short and often repeated: where other programs run too, some are undisturbed.
constexpr double kSeconds = 0.002;
constexpr int kTimes = 200;

double seconds_of(const auto& work) {
    const auto start = std::chrono::steady_clock::now();
    work();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

float burn_avx2(std::int64_t rounds) {
    const __m256 a = _mm256_set1_ps(0.5f);
    __m256 sums[kSums];
    for (auto& sum : sums) sum = a;
    for (std::int64_t i = 0; i < rounds; ++i)
        for (auto& sum : sums) sum = _mm256_fmadd_ps(sum, a, a);
    for (const auto& sum : sums) sums[0] = _mm256_add_ps(sums[0], sum);
    return _mm256_cvtss_f32(sums[0]);
}

// Whole numbers, the fastest that the table has (MXFP4 by MXFP4).
[[gnu::target("avx512f,avx512vnni")]] float burn_vnni(std::int64_t rounds) {
    const __m512i a = _mm512_set1_epi8(1);
    __m512i sums[kSums];
    for (auto& sum : sums) sum = a;
    for (std::int64_t i = 0; i < rounds; ++i)
        for (auto& sum : sums) sum = _mm512_dpbusd_epi32(sum, a, a);
    for (const auto& sum : sums) sums[0] = _mm512_add_epi32(sums[0], sum);
    return static_cast<float>(_mm512_cvtsi512_si32(sums[0]));
}

// Written out as in amx.cpp.
float burn_amx(std::int64_t rounds) {
    struct alignas(64) Shape {
        std::uint8_t palette = 1, start_row = 0, reserved[14] = {};
        std::uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
        std::uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
    } const shape;
    alignas(64) std::uint16_t tile[512];
    std::fill_n(tile, 512, std::uint16_t{0x3f80});
    const std::int64_t stride = 64;
    asm volatile("ldtilecfg %0" ::"m"(shape) : "memory");
    asm volatile(
        "tileloadd (%0,%1,1), %%tmm4\n\ttileloadd (%0,%1,1), %%tmm5\n\t"
        "tileloadd (%0,%1,1), %%tmm6\n\ttileloadd (%0,%1,1), %%tmm7\n\t"
        "tilezero %%tmm0\n\ttilezero %%tmm1\n\ttilezero %%tmm2\n\ttilezero %%tmm3" ::"r"(tile),
        "r"(stride)
        : "memory");
    for (std::int64_t i = 0; i < rounds; ++i)
        asm volatile(
            "tdpbf16ps %tmm6, %tmm4, %tmm0\n\ttdpbf16ps %tmm7, %tmm4, %tmm1\n\t"
            "tdpbf16ps %tmm6, %tmm5, %tmm2\n\ttdpbf16ps %tmm7, %tmm5, %tmm3");
    asm volatile("tilerelease" ::: "memory");
    return 1;
}

struct Burn {
    std::string_view kernels;
    float (*run)(std::int64_t rounds);
    double round;  // FLOPs
};
constexpr Burn kBurns[] = {
    {"amx", burn_amx, 4.0 * 2 * 16 * 16 * 32},
    {"avx512vnni", burn_vnni, kSums * 2.0 * 64},
    {"avx2", burn_avx2, kSums * 2.0 * 8},
};

const Burn& burn_for(const Kernels& kernels) {
    for (const Burn& burn : kBurns)
        if (burn.kernels == name_of(kernels)) return burn;
    return kBurns[2];
}

constexpr std::int64_t kAhead = 2048;

// The sum keeps the compiler from leaving the reads out.
template <int Streams>
std::int32_t read_streams(const std::byte* from, std::int64_t bytes) {
    const std::int64_t stride = bytes / Streams;
    __m256i sums[2] = {_mm256_setzero_si256(), _mm256_setzero_si256()};
    for (std::int64_t at = 0; at < stride; at += 64) {
        for (int stream = 0; stream < Streams; ++stream) {
            const std::byte* const place = from + stream * stride + at;
            __builtin_prefetch(place + kAhead);
            const auto* line = reinterpret_cast<const __m256i*>(place);
            sums[0] = _mm256_xor_si256(sums[0], _mm256_load_si256(line));
            sums[1] = _mm256_xor_si256(sums[1], _mm256_load_si256(line + 1));
        }
    }
    return _mm256_extract_epi32(_mm256_xor_si256(sums[0], sums[1]), 0);
}

constexpr std::int64_t kLine = 64;
constexpr std::int64_t kPart = 8 * 8257 * kLine;  // 4 MB; streams do not lie a power of two apart

}  // namespace

std::int64_t bytes_beyond_cache() {
    const auto cache = static_cast<std::int64_t>(::sysconf(_SC_LEVEL3_CACHE_SIZE));
    return std::clamp<std::int64_t>(2 * cache, 256 << 20, 1 << 30);
}

double roof_gflops(const Kernels& kernels, Threads& threads) {
    const Burn& burn = burn_for(kernels);
    std::vector<float> results(static_cast<std::size_t>(threads.count()));
    std::int64_t rounds = 1 << 12;
    const auto work = [&] {
        threads.loop(threads.count(), [&](std::int64_t i, int) {
            results[static_cast<std::size_t>(i)] = burn.run(rounds);
        });
    };
    while (seconds_of(work) < kSeconds) rounds *= 2;
    double best = seconds_of(work);
    for (int i = 1; i < kTimes; ++i) best = std::min(best, seconds_of(work));
    return 1e-9 * burn.round * static_cast<double>(rounds) * threads.count() / best;
}

// A measurement is of some parts, one behind the other; the whole buffer goes by before they come
// again.
double roof_gigabytes_per_second(Threads& threads) {
    const std::int64_t parts = bytes_beyond_cache() / kPart;
    const std::int64_t together = std::min<std::int64_t>(parts, 4 * threads.count());
    AlignedVector<std::byte> buffer(static_cast<std::size_t>(parts * kPart));
    std::vector<std::int32_t> results(static_cast<std::size_t>(parts));
    threads.loop(parts, [&](std::int64_t i, int) {
        std::fill_n(buffer.data() + i * kPart, kPart, std::byte{1});
    });
    double best = 0;
    for (const auto read : {read_streams<1>, read_streams<2>, read_streams<4>, read_streams<8>}) {
        for (std::int64_t first = 0; first + together <= parts; first += together) {
            const double seconds = seconds_of([&] {
                threads.loop(together, [&](std::int64_t i, int) {
                    const std::int64_t part = first + i;
                    results[static_cast<std::size_t>(part)] =
                        read(buffer.data() + part * kPart, kPart);
                });
            });
            best = std::max(best, 1e-9 * static_cast<double>(together * kPart) / seconds);
        }
    }
    return best;
}

}  // namespace hb
