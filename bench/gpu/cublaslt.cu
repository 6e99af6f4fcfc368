// SPDX-License-Identifier: Apache-2.0
// cuBLASLt's FP8 product without linking it: what the tensor cores' rate is worth with operands
// that are bytes already, one scale for all.
#include <dlfcn.h>

#include "bench.hpp"

namespace hb::gpu {

namespace {

// What cublasLt.h declares.
using Create = int (*)(void** handle);
using DescCreate = int (*)(void** desc, int compute, cudaDataType scale);
using DescSet = int (*)(void* desc, int attribute, const void* value, std::size_t bytes);
using LayoutCreate = int (*)(void** layout, cudaDataType type, std::uint64_t rows,
                             std::uint64_t cols, std::int64_t ld);
using PreferenceCreate = int (*)(void** preference);
struct Algorithm {
    std::uint64_t data[8];
};
struct Found {
    Algorithm algorithm;
    std::size_t workspace;
    int state;
    float waves;
    int reserved[4];
};
using Heuristic = int (*)(void* handle, void* desc, void* a, void* b, void* c, void* d,
                          void* preference, int wanted, Found* found, int* count);
using Matmul = int (*)(void* handle, void* desc, const void* alpha, const void* a, void* a_layout,
                       const void* b, void* b_layout, const void* beta, const void* c,
                       void* c_layout, void* d, void* d_layout, const Algorithm* algorithm,
                       void* workspace, std::size_t bytes, cudaStream_t);
constexpr int kCompute32F = 68, kTransposeA = 3, kTransposed = 1, kMostWorkspace = 1;

template <class Function>
Function find(void* library, const char* name) {
    return reinterpret_cast<Function>(library ? dlsym(library, name) : nullptr);
}

}  // namespace

double cublaslt_fp8(Bench& bench, std::int64_t m, std::int64_t n, std::int64_t k) {
    static void* library = [] {
        void* found = dlopen("libcublasLt.so.13", RTLD_NOW);
        return found ? found : dlopen("libcublasLt.so.12", RTLD_NOW);
    }();
    if (!library) return 0;
    constexpr std::size_t kWorkspace = std::size_t{32} << 20;
    void *handle = nullptr, *desc = nullptr, *a = nullptr, *b = nullptr, *d = nullptr,
         *preference = nullptr;
    find<Create>(library, "cublasLtCreate")(&handle);
    find<DescCreate>(library, "cublasLtMatmulDescCreate")(&desc, kCompute32F, CUDA_R_32F);
    const int transposed = kTransposed;
    find<DescSet>(library, "cublasLtMatmulDescSetAttribute")(desc, kTransposeA, &transposed, 4);
    const auto layout = find<LayoutCreate>(library, "cublasLtMatrixLayoutCreate");
    const auto rows = static_cast<std::uint64_t>(m), cols = static_cast<std::uint64_t>(n),
               depth = static_cast<std::uint64_t>(k);
    layout(&a, CUDA_R_8F_E4M3, depth, cols, k);
    layout(&b, CUDA_R_8F_E4M3, depth, rows, k);
    layout(&d, CUDA_R_16BF, cols, rows, n);
    find<PreferenceCreate>(library, "cublasLtMatmulPreferenceCreate")(&preference);
    find<DescSet>(library, "cublasLtMatmulPreferenceSetAttribute")(preference, kMostWorkspace,
                                                                   &kWorkspace, sizeof kWorkspace);
    Found found{};
    int count = 0;
    find<Heuristic>(library, "cublasLtMatmulAlgoGetHeuristic")(handle, desc, a, b, d, d, preference,
                                                               1, &found, &count);
    if (count == 0) return 0;
    const int sets = Bench::sets(static_cast<double>(n * k));
    std::vector<void*> weights(static_cast<std::size_t>(sets));
    // E4M3 bytes of moderate size, both signs.
    for (void*& w : weights) w = bench.bytes(static_cast<std::size_t>(n * k), 0xbf);
    const void* x = bench.bytes(static_cast<std::size_t>(m * k), 0xbf);
    void* y = bench.normal(static_cast<std::size_t>(m * n));
    void* workspace = bench.bytes(kWorkspace);
    const auto matmul = find<Matmul>(library, "cublasLtMatmul");
    return bench.time(
        [&](int i, cudaStream_t stream) {
            const float one = 1, zero = 0;
            const int status =
                matmul(handle, desc, &one, weights[static_cast<std::size_t>(i)], a, x, b, &zero, y,
                       d, y, d, &found.algorithm, workspace, kWorkspace, stream);
            return status == 0 ? Status{} : refuse("cublasLtMatmul failed");
        },
        sets);
}

}  // namespace hb::gpu
