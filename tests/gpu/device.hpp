// SPDX-License-Identifier: Apache-2.0
// Memory on the device for tests: inputs are uploaded, outputs start as NaN bytes (0xff) and end in
// a guard that a kernel must leave alone.
#pragma once

#include <cuda_runtime.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <vector>

#include "gpu/status.hpp"

namespace hb::gpu {

#define HB_CUDA(call) ASSERT_EQ(cudaSuccess, (call))

template <class T>
class Buffer {
public:
    explicit Buffer(std::size_t n) : n_(n) {
        EXPECT_EQ(cudaSuccess, cudaMalloc(&data_, n * sizeof(T) + kGuard));
        EXPECT_EQ(cudaSuccess, cudaMemset(data_, 0xff, n * sizeof(T) + kGuard));
    }
    explicit Buffer(const std::vector<T>& values) : Buffer(values.size()) {
        EXPECT_EQ(cudaSuccess,
                  cudaMemcpy(data_, values.data(), n_ * sizeof(T), cudaMemcpyHostToDevice));
    }
    ~Buffer() { cudaFree(data_); }
    Buffer(const Buffer&) = delete;
    Buffer& operator=(const Buffer&) = delete;

    T* get() const { return static_cast<T*>(data_); }

    // Waits for the device; fails the test when the guard was written to.
    std::vector<T> values() const {
        std::vector<std::uint8_t> all(n_ * sizeof(T) + kGuard);
        EXPECT_EQ(cudaSuccess, cudaDeviceSynchronize());
        EXPECT_EQ(cudaSuccess, cudaMemcpy(all.data(), data_, all.size(), cudaMemcpyDeviceToHost));
        for (std::size_t i = n_ * sizeof(T); i < all.size(); ++i) {
            if (all[i] == 0xff) continue;
            ADD_FAILURE() << "byte " << i - n_ * sizeof(T) << " after the end was written";
            break;
        }
        std::vector<T> out(n_);
        if (n_) std::memcpy(out.data(), all.data(), n_ * sizeof(T));
        return out;
    }

private:
    static constexpr std::size_t kGuard = 256;
    std::size_t n_;
    void* data_ = nullptr;
};

inline void expect_ok(Status status) {
    EXPECT_TRUE(status.ok()) << status.text;
}

}  // namespace hb::gpu
