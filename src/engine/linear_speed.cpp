// SPDX-License-Identifier: Apache-2.0
#include "engine/linear_speed.hpp"

#include <algorithm>
#include <chrono>

#include "core/random.hpp"
#include "engine/speed.hpp"
#include "kernels/roof.hpp"

namespace hb {
namespace {

constexpr std::int64_t kMostCopies = 1024;  // of small ones
constexpr int kCalls = 8;
constexpr double kLong = 0.5;

using Clock = std::chrono::steady_clock;
double seconds(Clock::time_point begin, Clock::time_point end) {
    return std::chrono::duration<double>(end - begin).count();
}

}  // namespace

LinearInTurn in_turn(RandomLinear one, std::int64_t rows) {
    const PackedMatrix& weight = one.linear.weight;
    const std::int64_t bytes = stored_bytes(weight);
    const std::int64_t copies =
        std::clamp<std::int64_t>((bytes_beyond_cache() + bytes - 1) / bytes, 2, kMostCopies);
    LinearInTurn linear{
        one.site, {}, Matrix<float>(rows, weight.k), Matrix<float>(rows, weight.n), {}};
    Random random{0};
    for (float& x : linear.x.values) x = random.normal();
    linear.copies.assign(static_cast<std::size_t>(copies), one.linear);
    return linear;
}

double linear_flops(const LinearInTurn& linear) {
    return 2.0 * static_cast<double>(linear.x.rows) * static_cast<double>(linear.x.cols) *
           static_cast<double>(linear.y.cols);
}

LinearTimes time_linear(const Kernels& kernels, Threads& threads, LinearInTurn& linear) {
    const auto& quantizer = linear.site.quantizer;
    LinearTimes sum;
    int calls = 0;
    for (; calls < kCalls && sum.together() < kLong; ++calls) {
        const Linear& copy = linear.copies[linear.next++ % linear.copies.size()];
        const auto begin = Clock::now();
        prepare_operand(kernels, threads, linear.x.view(), linear.site.transform,
                        quantizer ? &*quantizer : nullptr, Precision::bf16, linear.input);
        const auto ready = Clock::now();
        gemm(kernels, threads, linear.input, copy.weight, linear.y.view(), copy.alpha);
        const auto end = Clock::now();
        sum.input += seconds(begin, ready);
        sum.product += seconds(ready, end);
    }
    return {sum.input / calls, sum.product / calls};
}

}  // namespace hb
