// SPDX-License-Identifier: Apache-2.0
// src/gpu/cluster.cuh on the CPU; one kernel follows another.
#pragma once

#include "gpu/primitives.cuh"

namespace hb::gpu {

template <class... Parameters, class... Arguments>
Status launch_clusters(void (*kernel)(Parameters...), dim3 grid, int threads, int shared_bytes,
                       Stream, const Arguments&... arguments) {
    simt::launch(kernel, grid, grid.x, dim3(static_cast<unsigned>(threads)),
                 static_cast<std::size_t>(shared_bytes), arguments...);
    return {};
}

inline void wait_for_stream() {}
inline void let_next_start() {}

inline void meet_cluster() {
    simt::machine.meet_cluster();
}
inline void leave_cluster() {
    simt::machine.meet_cluster();
}

inline float4 read_peer(const void* shared, unsigned rank) {
    const auto& m = simt::machine;
    const std::ptrdiff_t blocks =
        std::ptrdiff_t{rank} - static_cast<std::ptrdiff_t>(m.current / m.threads.x);
    float4 v;
    std::memcpy(
        &v,
        static_cast<const char*>(shared) + blocks * static_cast<std::ptrdiff_t>(m.dynamic_bytes),
        sizeof v);
    return v;
}

}  // namespace hb::gpu
