// SPDX-License-Identifier: Apache-2.0
#include "core/parallel.hpp"

#include <immintrin.h>
#include <algorithm>

namespace hb {
namespace {

constexpr int kLooks = 400;   // pauses, about 20 microseconds
constexpr int kYields = 400;  // about 200 when nothing else runs

template <class Ready>
bool look_for(const Ready& ready) {
    for (int i = 0; i < kLooks; ++i) {
        if (ready()) return true;
        _mm_pause();
    }
    for (int i = 0; i < kYields; ++i) {
        if (ready()) return true;
        std::this_thread::yield();
    }
    return false;
}

}  // namespace

Threads::Threads(int count) : runs_(std::make_unique<Run[]>(static_cast<std::size_t>(count))) {
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
    for (int i = 0; i < count(); ++i) {
        Run& run = runs_[static_cast<std::size_t>((thread + i) % count())];
        while (run.next.load(std::memory_order_relaxed) < run.end) {
            const std::int64_t index = run.next.fetch_add(1, std::memory_order_relaxed);
            if (index >= run.end) break;
            try {
                (*body_)(index, thread);
            } catch (...) {
                std::lock_guard lock(mutex_);
                if (!error_) error_ = std::current_exception();
                for (int t = 0; t < count(); ++t) {
                    Run& other = runs_[static_cast<std::size_t>(t)];
                    other.next.store(other.end, std::memory_order_relaxed);
                }
            }
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

void Threads::run(std::int64_t n, int runs, const Body& body) {
    if (n <= 0) return;
    if (workers_.empty() || n == 1) {
        for (std::int64_t i = 0; i < n; ++i) body(i, 0);
        return;
    }
    body_ = &body;
    for (int t = 0; t < count(); ++t) {
        Run& run = runs_[static_cast<std::size_t>(t)];
        run.next = t < runs ? n * t / runs : 0;
        run.end = t < runs ? n * (t + 1) / runs : 0;
    }
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
    const std::int64_t round = kRows * threads, fine = threads > 1 && rows != round ? round : 0;
    std::vector<Part> parts;
    for (std::int64_t first = 0; first < rows;) {
        const std::int64_t rest = rows - first, most = rest <= fine ? kRows / 2 : kRows;
        parts.push_back({first, std::min(rest, most)});
        first += parts.back().rows;
    }
    return parts;
}

}  // namespace hb
