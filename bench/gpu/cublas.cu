// SPDX-License-Identifier: Apache-2.0
// cuBLAS without linking it, so that the program also starts where it is not.
#include <dlfcn.h>

#include "bench.hpp"

namespace hb::gpu {

namespace {

// What cublas_v2.h declares.
using Create = int (*)(void** handle);
using SetStream = int (*)(void* handle, cudaStream_t);
using SetWorkspace = int (*)(void* handle, void* workspace, std::size_t bytes);
using GemmEx = int (*)(void* handle, int op_a, int op_b, int m, int n, int k, const void* alpha,
                       const void* a, cudaDataType a_type, int lda, const void* b,
                       cudaDataType b_type, int ldb, const void* beta, void* c, cudaDataType c_type,
                       int ldc, int compute, int algorithm);
constexpr int kTransposed = 1, kPlain = 0, kCompute32F = 68, kDefault = -1;

struct Cublas {
    Create create = nullptr;
    SetStream set_stream = nullptr;
    SetWorkspace set_workspace = nullptr;
    GemmEx gemm = nullptr;
    void* handle = nullptr;

    Cublas() {
        void* library = dlopen("libcublas.so.13", RTLD_NOW);
        if (!library) library = dlopen("libcublas.so.12", RTLD_NOW);
        if (!library) return;
        create = reinterpret_cast<Create>(dlsym(library, "cublasCreate_v2"));
        set_stream = reinterpret_cast<SetStream>(dlsym(library, "cublasSetStream_v2"));
        set_workspace = reinterpret_cast<SetWorkspace>(dlsym(library, "cublasSetWorkspace_v2"));
        gemm = reinterpret_cast<GemmEx>(dlsym(library, "cublasGemmEx"));
        if (create && set_stream && set_workspace && gemm) create(&handle);
    }
};

}  // namespace

double cublas_bf16(Bench& bench, std::int64_t m, std::int64_t n, std::int64_t k) {
    static const Cublas cublas;
    if (!cublas.handle) return 0;
    constexpr std::size_t kWorkspace = std::size_t{32} << 20;
    const int sets = Bench::sets(2.0 * static_cast<double>(n * k));
    std::vector<void*> weights(static_cast<std::size_t>(sets));
    for (void*& w : weights) w = bench.normal(static_cast<std::size_t>(n * k));
    const void* x = bench.normal(static_cast<std::size_t>(m * k));
    void* y = bench.normal(static_cast<std::size_t>(m * n));
    cublas.set_stream(cublas.handle, bench.stream());
    cublas.set_workspace(cublas.handle, bench.bytes(kWorkspace), kWorkspace);
    return bench.time(
        [&](int i, cudaStream_t) {
            const float one = 1, zero = 0;
            const int status = cublas.gemm(
                cublas.handle, kTransposed, kPlain, static_cast<int>(n), static_cast<int>(m),
                static_cast<int>(k), &one, weights[static_cast<std::size_t>(i)], CUDA_R_16BF,
                static_cast<int>(k), x, CUDA_R_16BF, static_cast<int>(k), &zero, y, CUDA_R_16BF,
                static_cast<int>(n), kCompute32F, kDefault);
            return status == 0 ? Status{} : refuse("cublasGemmEx failed");
        },
        sets);
}

}  // namespace hb::gpu
