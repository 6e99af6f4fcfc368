// SPDX-License-Identifier: Apache-2.0
// The copy that other kernels are held against: the best of ours and the driver's, on 1 GiB.
#include <algorithm>

#include "bench.hpp"
#include "gpu/copy.hpp"

namespace hb::gpu {

void bench_copy(Bench& bench) {
    constexpr std::size_t kBytes = std::size_t{1} << 29;
    void* from[2] = {bench.bytes(kBytes), bench.bytes(kBytes)};
    void* to[2] = {bench.bytes(kBytes), bench.bytes(kBytes)};
    const double ours =
        bench.time([&](int i, cudaStream_t s) { return copy(from[i], to[i], kBytes, s); }, 2);
    const double driver = bench.time(
        [&](int i, cudaStream_t s) {
            cudaMemcpyAsync(to[i], from[i], kBytes, cudaMemcpyDeviceToDevice, s);
            return Status{};
        },
        2);
    bench.set_copy_bandwidth(2 * kBytes / (1e-6 * std::min(ours, driver)));
    bench.add({"copy", "512 MiB", ours, 2.0 * kBytes, 0, {{"driver", driver}}});
    bench.release();
}

}  // namespace hb::gpu
