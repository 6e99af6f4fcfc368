// SPDX-License-Identifier: Apache-2.0
// Matrix owns rows of T, 64-byte aligned; View borrows them. Row-major, no broadcasting, no
// autograd.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

namespace hb {

template <class T>
struct View {
    T* data = nullptr;
    std::int64_t rows = 0, cols = 0, stride = 0;  // stride in elements

    T* row(std::int64_t r) const { return data + r * stride; }
    T& operator()(std::int64_t r, std::int64_t c) const { return data[r * stride + c]; }
    View middle_rows(std::int64_t first, std::int64_t count) const {
        return {row(first), count, cols, stride};
    }
    operator View<const T>() const requires(!std::is_const_v<T>) {
        return {data, rows, cols, stride};
    }
};

// 64-byte aligned; a large block lies in huge pages where the system has them, so that caches see
// it as one piece. Throws std::bad_alloc.
void* allocate_aligned(std::size_t bytes);
void free_aligned(void* p, std::size_t bytes);

template <class T>
struct AlignedAllocator {
    using value_type = T;
    template <class U>
    struct rebind {
        using other = AlignedAllocator<U>;
    };
    AlignedAllocator() = default;
    template <class U>
    AlignedAllocator(const AlignedAllocator<U>&) {}
    T* allocate(std::size_t n) { return static_cast<T*>(allocate_aligned(n * sizeof(T))); }
    void deallocate(T* p, std::size_t n) { free_aligned(p, n * sizeof(T)); }
    template <class U>
    void construct(U* p) {
        ::new (static_cast<void*>(p)) U;
    }  // no zero fill: resize() is cheap
    template <class U, class... Args>
    void construct(U* p, Args&&... args) {
        ::new (static_cast<void*>(p)) U(std::forward<Args>(args)...);
    }
    bool operator==(const AlignedAllocator&) const { return true; }
};

template <class T>
using AlignedVector = std::vector<T, AlignedAllocator<T>>;

template <class T>
struct Matrix {
    std::int64_t rows = 0, cols = 0;
    AlignedVector<T> values;

    Matrix() = default;
    Matrix(std::int64_t r, std::int64_t c)
        : rows(r), cols(c), values(static_cast<std::size_t>(r * c), T{}) {}
    T* row(std::int64_t r) { return values.data() + r * cols; }
    const T* row(std::int64_t r) const { return values.data() + r * cols; }
    T& operator()(std::int64_t r, std::int64_t c) {
        return values[static_cast<std::size_t>(r * cols + c)];
    }
    const T& operator()(std::int64_t r, std::int64_t c) const {
        return values[static_cast<std::size_t>(r * cols + c)];
    }
    View<T> view() { return {values.data(), rows, cols, cols}; }
    View<const T> view() const { return {values.data(), rows, cols, cols}; }
    bool empty() const { return values.empty(); }
};

}  // namespace hb
