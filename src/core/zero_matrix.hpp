// SPDX-License-Identifier: Apache-2.0
// A matrix of zeros that takes memory only where it is written: a triangle costs half. Pages come
// straight from the kernel.
#pragma once

#include <sys/mman.h>

#include <new>
#include <utility>

#include "core/matrix.hpp"

namespace hb {

template <class T>
struct ZeroMatrix {
    std::int64_t rows = 0, cols = 0;

    ZeroMatrix() = default;
    ZeroMatrix(std::int64_t r, std::int64_t c) : rows(r), cols(c) {
        if (r * c == 0) return;
        void* p =
            ::mmap(nullptr, bytes(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (p == MAP_FAILED) throw std::bad_alloc();
        data_ = static_cast<T*>(p);
    }
    ~ZeroMatrix() {
        if (data_) ::munmap(data_, bytes());
    }
    ZeroMatrix(ZeroMatrix&& other) noexcept { *this = std::move(other); }
    ZeroMatrix& operator=(ZeroMatrix&& other) noexcept {
        std::swap(rows, other.rows);
        std::swap(cols, other.cols);
        std::swap(data_, other.data_);
        return *this;
    }
    T& operator()(std::int64_t r, std::int64_t c) { return data_[r * cols + c]; }
    const T& operator()(std::int64_t r, std::int64_t c) const { return data_[r * cols + c]; }
    View<T> view() { return {data_, rows, cols, cols}; }
    View<const T> view() const { return {data_, rows, cols, cols}; }

private:
    std::size_t bytes() const { return static_cast<std::size_t>(rows * cols) * sizeof(T); }
    T* data_ = nullptr;
};

}  // namespace hb
