// SPDX-License-Identifier: Apache-2.0
// Continuous batching: several sequences go through the blocks together, so that the weights are
// read once for all of them. A pass takes one row of each sequence that decodes and at most `chunk`
// rows of prompts, first come first served; a sequence that ends makes room for the next request at
// once. Prompts that begin alike share that part (prefix_cache.hpp): one that another sequence is
// computing is waited for. A request gets the bits that it would get alone.
#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <vector>

#include "engine/generate.hpp"
#include "engine/prefix_cache.hpp"

namespace hb {

struct BatchLimits {
    std::int64_t parallel = 1;           // sequences at a time
    std::int64_t chunk = 256;            // rows of prompts in a pass
    std::int64_t cache_bytes = 1 << 30;  // of finished sequences; 0: nothing is shared at all
};

struct BatchRequest {
    std::vector<std::int32_t> prompt;
    std::int64_t count = 128;  // tokens to draw at most
    Sampling sampling;
    std::vector<std::int32_t> stop_ids;  // end tokens beside the model's
};

enum class End { none, end_token, count, context };

struct Drawn {
    std::int64_t request = 0;  // what submit() gave
    std::int32_t token = 0;
    End end = End::none;              // end_token: the token is one, and no part of the text
    std::int64_t reused = 0;          // positions of the prompt that were copied
    std::span<const float> logits{};  // until the next step
};

struct BatchCounts {
    std::int64_t passes = 0, prompt_rows = 0, reused = 0, drawn = 0;
};

// Decoder, kernels and threads outlive it. One thread at a time may call it.
class Batch {
public:
    Batch(const Decoder& decoder, const Kernels& kernels, Threads& threads, BatchLimits limits);

    // Throws Error as check_prompt() does, or when nothing may be drawn. Numbers count from 0.
    std::int64_t submit(BatchRequest request);
    void cancel(std::int64_t request);  // what was computed of it may still be shared
    bool idle() const { return running_.empty() && waiting_.empty(); }
    // One pass. Gives a token of each request whose rows are all computed, in order of submission.
    // When it throws, the batch is of no more use.
    std::span<const Drawn> step();
    const BatchCounts& counts() const { return counts_; }

private:
    struct Running {
        std::int64_t number = 0, prompt = 0, limit = 0;  // lengths: of the prompt, of all
        BatchRequest request;
        Past past;
        Random random;
        std::int64_t reused = 0, rows = 0;  // rows: in this pass
        std::int64_t due() const {
            return static_cast<std::int64_t>(past.tokens.size()) - past.sequence.length;
        }
    };

    void admit();
    std::vector<Request> plan();
    bool start_prompt_rows(Running& r);
    void draw();
    End end_of(const Running& r, std::int32_t token) const;
    void leave(std::size_t index);

    const Decoder& decoder_;
    const Kernels& kernels_;
    Threads& threads_;
    BatchLimits limits_;
    std::deque<Running> waiting_;
    std::vector<Running> running_;
    PrefixCache cache_;
    BatchCounts counts_;
    std::int64_t submitted_ = 0;
    Scratch scratch_;
    Matrix<float> hidden_, last_, logits_;
    std::vector<Drawn> drawn_;
};

}  // namespace hb
