// SPDX-License-Identifier: Apache-2.0
#include "bench.hpp"

#include <cuda_bf16.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>

namespace hb::gpu {

namespace {

void must(cudaError_t error, const char* what) {
    if (error == cudaSuccess) return;
    std::fprintf(stderr, "gpu_bench: %s: %s\n", what, cudaGetErrorString(error));
    std::exit(1);
}

__device__ std::uint64_t mix(std::uint64_t z) {
    z += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

__global__ void fill_normal(__nv_bfloat16* x, std::size_t n, float scale, std::uint64_t seed) {
    const std::size_t i = std::size_t{blockIdx.x} * blockDim.x + threadIdx.x;
    if (i >= n) return;
    const std::uint64_t r = mix(seed * 0x100000000u + i);
    const float u = (static_cast<float>(r >> 40) + 1) * 0x1p-24f;
    const float angle = static_cast<float>(r & 0xffffffu) * 0x1p-23f;
    x[i] = __float2bfloat16(scale * sqrtf(-2 * logf(u)) * cospif(angle));
}

__global__ void fill_bytes(std::uint8_t* x, std::size_t n, std::uint64_t seed, int mask) {
    const std::size_t i = std::size_t{blockIdx.x} * blockDim.x + threadIdx.x;
    if (i < n)
        x[i] =
            static_cast<std::uint8_t>(mix(seed * 0x100000000u + i) & static_cast<unsigned>(mask));
}

unsigned blocks(std::size_t n) {
    return static_cast<unsigned>((n + 255) / 256);
}

}  // namespace

Bench::Bench() {
    must(cudaStreamCreate(&stream_), "cudaStreamCreate");
}

Bench::~Bench() {
    release();
    cudaStreamDestroy(stream_);
}

void* Bench::normal(std::size_t count, float scale) {
    void* p = nullptr;
    must(cudaMalloc(&p, count * 2), "cudaMalloc");
    held_.push_back(p);
    fill_normal<<<blocks(count), 256, 0, stream_>>>(static_cast<__nv_bfloat16*>(p), count, scale,
                                                    held_.size());
    must(cudaGetLastError(), "fill_normal");
    return p;
}

void* Bench::bytes(std::size_t count, int mask) {
    void* p = nullptr;
    must(cudaMalloc(&p, count), "cudaMalloc");
    held_.push_back(p);
    fill_bytes<<<blocks(count), 256, 0, stream_>>>(static_cast<std::uint8_t*>(p), count,
                                                   held_.size(), mask);
    must(cudaGetLastError(), "fill_bytes");
    return p;
}

void Bench::release() {
    must(cudaDeviceSynchronize(), "synchronize");
    for (void* p : held_) cudaFree(p);
    held_.clear();
}

int Bench::sets(double bytes_each) {
    return std::clamp(static_cast<int>(std::ceil(200e6 / bytes_each)) + 1, 2, 64);
}

double Bench::time(const std::function<Status(int set, cudaStream_t)>& launch, int sets) {
    const int launches = (20 + sets - 1) / sets * sets;
    for (int i = 0; i < sets; ++i) {
        if (const Status status = launch(i, stream_); !status.ok()) {
            std::fprintf(stderr, "gpu_bench: %s\n", status.text);
            return 0;
        }
    }
    must(cudaStreamSynchronize(stream_), "the first launches");
    cudaGraph_t graph;
    cudaGraphExec_t exec;
    must(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal), "capture");
    for (int i = 0; i < launches; ++i) (void)launch(i % sets, stream_);
    must(cudaStreamEndCapture(stream_, &graph), "end of capture");
    must(cudaGraphInstantiate(&exec, graph, 0), "instantiate");
    cudaEvent_t begin, end;
    must(cudaEventCreate(&begin), "event");
    must(cudaEventCreate(&end), "event");
    std::vector<float> times;
    double total = 0;
    for (int replay = 0; replay < 50 && (replay < 9 || total < 40); ++replay) {
        must(cudaEventRecord(begin, stream_), "record");
        must(cudaGraphLaunch(exec, stream_), "replay");
        must(cudaEventRecord(end, stream_), "record");
        must(cudaEventSynchronize(end), "replay");
        float milliseconds = 0;
        must(cudaEventElapsedTime(&milliseconds, begin, end), "elapsed");
        if (replay >= 2) times.push_back(milliseconds);
        total += milliseconds;
    }
    cudaEventDestroy(begin);
    cudaEventDestroy(end);
    cudaGraphExecDestroy(exec);
    cudaGraphDestroy(graph);
    std::nth_element(times.begin(), times.begin() + static_cast<long>(times.size() / 2),
                     times.end());
    return 1e3 * times[times.size() / 2] / launches;
}

void Bench::add(const Result& r) {
    char text[512];
    // What the tensor cores do in bf16, as a large product on an H200 was measured: 790 TFLOP/s.
    const double floor =
        std::max(copy_bandwidth_ > 0 ? r.bytes / copy_bandwidth_ : 0, r.flops / 790e12);
    std::snprintf(text, sizeof text,
                  "{\"name\": \"%s\", \"shape\": \"%s\", \"us\": %.2f, \"bytes\": %.0f, "
                  "\"flops\": %.0f, \"floor_us\": %.2f, \"of_floor\": %.3f",
                  r.name.c_str(), r.shape.c_str(), r.microseconds, r.bytes, r.flops, floor * 1e6,
                  r.microseconds > 0 ? floor * 1e6 / r.microseconds : 0);
    std::string line = text;
    for (const Peer& peer : r.peers) {
        std::snprintf(text, sizeof text, ", \"%s_us\": %.2f, \"over_%s\": %.2f", peer.name.c_str(),
                      peer.microseconds, peer.name.c_str(),
                      r.microseconds > 0 ? peer.microseconds / r.microseconds : 0);
        line += text;
    }
    lines_.push_back(line + "}");
    std::printf("%s\n", lines_.back().c_str());
    std::fflush(stdout);
}

bool Bench::write(const char* path) const {
    std::FILE* file = std::fopen(path, "w");
    if (!file) return false;
    cudaDeviceProp device;
    must(cudaGetDeviceProperties(&device, 0), "properties");
    std::fprintf(file, "{\"device\": \"%s\", \"copy_bandwidth\": %.0f, \"cases\": [\n", device.name,
                 copy_bandwidth_);
    for (std::size_t i = 0; i < lines_.size(); ++i)
        std::fprintf(file, "  %s%s\n", lines_[i].c_str(), i + 1 < lines_.size() ? "," : "");
    std::fprintf(file, "]}\n");
    return std::fclose(file) == 0;
}

}  // namespace hb::gpu
