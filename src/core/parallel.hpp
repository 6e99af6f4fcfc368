// SPDX-License-Identifier: Apache-2.0
// A fixed set of threads and one loop. Which thread runs an index is left to chance, so a body must
// compute the same bits wherever it runs: no partial sums across indices, no thread-sized chunks.
// Between two loops a thread looks for the next one for some microseconds, then still looks but
// leaves the core to others that want it, before it sleeps, since a model's operations follow each
// other faster than a thread wakes up.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace hb {

class Threads {
public:
    explicit Threads(int count);  // count >= 1; the caller is one of them
    ~Threads();
    Threads(const Threads&) = delete;
    Threads& operator=(const Threads&) = delete;

    int count() const { return static_cast<int>(workers_.size()) + 1; }
    using Body = std::function<void(std::int64_t, int)>;
    // body(index, thread) for every index in [0, n), started in order; rethrows the first
    // exception. Not reentrant.
    void loop(std::int64_t n, const Body& body) { run(n, 1, body); }
    // The same, but each thread begins with a run of neighbouring indices of its own, whose data
    // can be asked for ahead of time, and then helps with those of the others.
    void loop_in_runs(std::int64_t n, const Body& body) { run(n, count(), body); }

private:
    void run(std::int64_t n, int runs, const Body& body);
    void work(int thread);
    void drain(int thread);

    struct alignas(64) Run {
        std::atomic<std::int64_t> next{0};
        std::int64_t end = 0;
    };

    std::vector<std::thread> workers_;
    std::unique_ptr<Run[]> runs_;  // one a thread, the first ones used
    std::mutex mutex_;
    std::condition_variable start_, done_;
    const Body* body_ = nullptr;
    std::atomic<std::uint64_t> round_{0};
    std::atomic<int> busy_{0};
    std::atomic<bool> stop_{false};
    std::exception_ptr error_;
};

// Rows cut for threads that are not equally fast: 256 at a time, and 128 once what is left is one
// round for all of them, unless that round is all there is.
struct Part {
    std::int64_t first, rows;
};
std::vector<Part> cut_in_parts(std::int64_t rows, int threads);

}  // namespace hb
