// SPDX-License-Identifier: Apache-2.0
// How a kernel is timed: launches are captured into a CUDA graph that goes through several sets of
// buffers, together larger than the L2 cache several times over; the graph is replayed, and the
// median replay over its launches is the time of one. Every case is a line of JSON.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "gpu/status.hpp"

namespace hb::gpu {

struct Peer {
    std::string name;
    double microseconds = 0;
};

struct Result {
    std::string name, shape;
    double microseconds = 0;
    double bytes = 0;  // that must move; 0 where the floor is arithmetic
    double flops = 0;
    std::vector<Peer> peers = {};
};

class Bench {
public:
    Bench();
    ~Bench();

    cudaStream_t stream() const { return stream_; }

    // Device memory until the end of the current benchmark (release()), filled with random bf16
    // numbers of a normal distribution or random bytes.
    void* normal(std::size_t count, float scale = 1);
    void* bytes(std::size_t count, int mask = 0xff);
    void release();

    // How many sets of `bytes_each` it takes to come back to a set after 200 MB of others.
    static int sets(double bytes_each);

    // Of one launch, microseconds.
    double time(const std::function<Status(int set, cudaStream_t)>& launch, int sets);

    void add(const Result& result);
    double copy_bandwidth() const { return copy_bandwidth_; }  // bytes a second, read and written
    void set_copy_bandwidth(double value) { copy_bandwidth_ = value; }
    bool write(const char* path) const;

private:
    cudaStream_t stream_ = nullptr;
    std::vector<void*> held_;
    std::vector<std::string> lines_;
    double copy_bandwidth_ = 0;
};

// bf16 products by cuBLAS, loaded when the program runs: y = x W^T. Its time, or 0 without cuBLAS.
double cublas_bf16(Bench& bench, std::int64_t m, std::int64_t n, std::int64_t k);

// E4M3 products with one scale each side, bf16 out, by cuBLASLt's first choice; as above.
double cublaslt_fp8(Bench& bench, std::int64_t m, std::int64_t n, std::int64_t k);

void bench_copy(Bench& bench);
void bench_quantize(Bench& bench);
void bench_w4a16(Bench& bench);
void bench_w4a4(Bench& bench);

}  // namespace hb::gpu
