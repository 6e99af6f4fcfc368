// SPDX-License-Identifier: Apache-2.0
// A model's way through the calibration text, one block at a time and site by site: what has to be
// remembered of every sequence between two sites, and how the rows move on.
//
//     site     input                    then
//     qkv      x0 = norm(h)
//     o        x1 = attention of q,k,v  h += x1 Wo^T, stored
//     gate/up  x2 = norm(h)
//     down     x3 = silu(gate) up       h += x3 Wd^T, stored
//
// Memory holds the residual stream and kBetweenBytes of what else is needed twice, the rest of
// which goes to a file: x1, then the quantized x3, in codes, where it does not depend on the
// statistics (MX), else the x2 as gate and up read it, of which they are computed again. A block is
// left when the next one's first site is entered. Between two attentions a few rows are taken from
// memory through a site by one thread, and stay in its cache until they are stored.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "calibration/activation_store.hpp"
#include "engine/decoder.hpp"

namespace hb {

constexpr std::int64_t kBetweenBytes = 192 << 20;
// Columns of x1, and of x2 and x3 as they are kept.
std::int64_t widest_between(const ModelConfig& config);

class Lane {
public:
    // tokens: (sequences, length), or empty
    Lane(const ModelConfig& config, const Checkpoint& checkpoint, const Kernels& kernels,
         Threads& threads, View<const std::int32_t> tokens, const std::filesystem::path& spill,
         bool on_disk);

    using OnRows =
        std::function<void(const Runtime&, int thread, std::int64_t first, std::int64_t rows)>;
    // Rows [first, end) of a sequence, some by each thread.
    void in_parts(std::int64_t first, std::int64_t end, const OnRows& body);
    // Before the rows of a sequence enter site 1.
    void attend_sequence(const Block& block, std::int64_t sequence);
    // Rows of the site's input, once the lane has moved up to it: x1 for site 1 and h for the
    // others; for site 3 the thread's scratch holds x2.
    View<float> enter_site(const Runtime& own, const Block& block, int site, int thread,
                           std::int64_t sequence, std::int64_t first, std::int64_t rows);
    // After all sequences have entered the site.
    void finish_site(int site);
    // Every sequence, in order, into the site.
    void pass_site(const Block& block, int site);

    // What is kept of the rows that have entered site 3.
    enum class Kept { nothing, x2, x3 };
    void keep(Kept kept) { kept_ = kept; }
    Kept kept() const { return kept_; }
    void keep_hidden(int thread, std::int64_t sequence, std::int64_t first);
    void leave(Block block) { left_ = std::move(block); }
    // Leaves the block before, if there is one, without a next one's first site.
    void leave_behind();

    const Runtime& runtime() const { return run_; }
    Scratch& scratch(int thread) { return workers_[static_cast<std::size_t>(thread)].scratch; }
    View<const std::int32_t> tokens() const { return tokens_; }
    double linear_flops() const { return linear_flops_; }

private:
    // What a thread needs for rows that it takes from memory and through a site alone.
    struct Worker {
        Scratch scratch;
        Matrix<float> h, x1;
        AlignedVector<std::uint16_t> codes;
    };
    View<float> load_rows(int thread, std::int64_t sequence, std::int64_t first, std::int64_t rows);
    bool load_hidden(int thread, std::int64_t sequence, std::int64_t first, std::int64_t rows);
    void leave_block(const Runtime& own, int thread, std::int64_t sequence, std::int64_t first,
                     View<float> h);
    void count_linears(int site);

    Runtime run_;
    View<const std::int32_t> tokens_;
    ActivationStore store_;      // h
    ActivationStore between_;    // x1 from site 1 to 2, then x2 or x3 from site 3 to the next block
    std::optional<Block> left_;  // the block before, until h has moved through its end
    Kept kept_ = Kept::nothing;  // of that block
    KvCache cache_;
    Pass pass_;
    Scratch scratch_;
    std::vector<Worker> workers_;
    Matrix<float> h_;
    double linear_flops_ = 0;
};

}  // namespace hb
