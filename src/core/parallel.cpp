// SPDX-License-Identifier: Apache-2.0
#include "core/parallel.hpp"

#include <immintrin.h>
#include <algorithm>

namespace hb {
namespace {

constexpr int kLooks = 400;  // pauses, about 20 microseconds

template <class Ready>
bool look_for(const Ready& ready) {
    for (int i = 0; i < kLooks; ++i) {
        if (ready()) return true;
        _mm_pause();
    }
    return false;
}

}  // namespace

Threads::Threads(int count) {
    for (int t = 1; t < count; ++t) workers_.emplace_back([this, t] { work(t); });
}

Threads::~Threads() {
    {
        std::lock_guard lock(mutex_);
        stop_ = true;
    }
    start_.notify_all();
    for (auto& worker : workers_) worker.join();
}

void Threads::drain(int thread) {
    for (;;) {
        const std::int64_t index = next_.fetch_add(1, std::memory_order_relaxed);
        if (index >= size_) return;
        try {
            (*body_)(index, thread);
        } catch (...) {
            std::lock_guard lock(mutex_);
            if (!error_) error_ = std::current_exception();
            next_.store(size_, std::memory_order_relaxed);
        }
    }
}

void Threads::work(int thread) {
    std::uint64_t seen = 0;
    const auto called = [&] { return stop_.load() || round_.load() != seen; };
    for (;;) {
        if (!look_for(called)) {
            std::unique_lock lock(mutex_);
            start_.wait(lock, called);
        }
        if (stop_.load()) return;
        seen = round_.load();
        drain(thread);
        if (busy_.fetch_sub(1) == 1) {
            std::lock_guard lock(mutex_);
            done_.notify_one();
        }
    }
}

void Threads::loop(std::int64_t n, const std::function<void(std::int64_t, int)>& body) {
    if (n <= 0) return;
    if (workers_.empty() || n == 1) {
        for (std::int64_t i = 0; i < n; ++i) body(i, 0);
        return;
    }
    body_ = &body;
    size_ = n;
    next_ = 0;
    busy_ = static_cast<int>(workers_.size());
    error_ = nullptr;
    {
        std::lock_guard lock(mutex_);
        ++round_;
    }
    start_.notify_all();
    drain(0);
    const auto finished = [&] { return busy_.load() == 0; };
    if (!look_for(finished)) {
        std::unique_lock lock(mutex_);
        done_.wait(lock, finished);
    }
    if (error_) std::rethrow_exception(error_);
}

std::vector<Part> cut_in_parts(std::int64_t rows, int threads) {
    constexpr std::int64_t kRows = 256;
    std::vector<Part> parts;
    for (std::int64_t first = 0; first < rows;) {
        const std::int64_t rest = rows - first;
        const std::int64_t most = threads > 1 && rest <= kRows * threads ? kRows / 2 : kRows;
        parts.push_back({first, std::min(rest, most)});
        first += parts.back().rows;
    }
    return parts;
}

}  // namespace hb
