// SPDX-License-Identifier: Apache-2.0
// Blocks that run at the same time and read one another's shared memory (a cluster), and kernels
// that start before the one ahead of them in the stream has ended. tests/gpu/simt has the same
// names for the CPU.
#pragma once

#include "gpu/primitives.cuh"

namespace hb::gpu {

// Clusters of grid.x blocks. The kernel may start early, as each processor falls free: it must call
// wait_for_stream() before it touches what others write or read.
template <class... Parameters, class... Arguments>
Status launch_clusters(void (*kernel)(Parameters...), dim3 grid, int threads, int shared_bytes,
                       Stream stream, const Arguments&... arguments) {
    cudaLaunchAttribute attributes[2] = {};
    attributes[0].id = cudaLaunchAttributeClusterDimension;
    attributes[0].val.clusterDim.x = grid.x;
    attributes[0].val.clusterDim.y = attributes[0].val.clusterDim.z = 1;
    attributes[1].id = cudaLaunchAttributeProgrammaticStreamSerialization;
    attributes[1].val.programmaticStreamSerializationAllowed = 1;
    cudaLaunchConfig_t config = {};
    config.gridDim = grid;
    config.blockDim = dim3(static_cast<unsigned>(threads));
    config.dynamicSmemBytes = static_cast<std::size_t>(shared_bytes);
    config.stream = stream;
    config.attrs = attributes;
    config.numAttrs = 2;
    (void)cudaLaunchKernelEx(&config, kernel, Parameters(arguments)...);
    return launched();
}

__device__ inline void wait_for_stream() {
    asm volatile("griddepcontrol.wait;" ::: "memory");
}
__device__ inline void let_next_start() {
    asm volatile("griddepcontrol.launch_dependents;");
}

__device__ inline void meet_cluster() {
    asm volatile("barrier.cluster.arrive.release.aligned;\nbarrier.cluster.wait.acquire.aligned;" ::
                     : "memory");
}
// The same where no memory need be seen.
__device__ inline void leave_cluster() {
    asm volatile("barrier.cluster.arrive.relaxed.aligned;\nbarrier.cluster.wait.aligned;" ::
                     : "memory");
}

// Four numbers at the same place of shared memory in block `rank` of the cluster.
__device__ inline float4 read_peer(const void* shared, unsigned rank) {
    const auto here = static_cast<unsigned>(__cvta_generic_to_shared(shared));
    unsigned there;
    float4 v;
    asm("mapa.shared::cluster.u32 %0, %1, %2;" : "=r"(there) : "r"(here), "r"(rank));
    asm volatile("ld.shared::cluster.v4.f32 {%0, %1, %2, %3}, [%4];"
                 : "=f"(v.x), "=f"(v.y), "=f"(v.z), "=f"(v.w)
                 : "r"(there)
                 : "memory");
    return v;
}

}  // namespace hb::gpu
